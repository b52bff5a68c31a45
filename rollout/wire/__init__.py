"""The only room that connects adapters (clients, databases, HTTP) to the ports.

Adapters are imported inside functions, when they are needed: a command should not load the
Kubernetes client or a database driver that it does not use.
"""
