"""Access to the Kubernetes API: reading, watching and writing objects.

`client` and `informer` are the only modules that import the Kubernetes client library. What the
objects mean is not known here: see `operate`, `leader` and `route`.
"""
