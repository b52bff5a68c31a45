"""The specs of the templates that are shipped, by name and in families.

A journal has only their names: what a template reads never changes once it was released.
"""
