"""The platform's mesh document: how services are balanced, split and secured, in one YAML.

`model` is what it may say, `reading` reads it or reports every mistake. `policy` and `splits` turn
it into a plan's terms, `targets` into what runs, `difference` into what a change does to traffic.
"""
