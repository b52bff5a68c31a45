"""Routing objects in a cluster, in either dialect: patched at the version read, and read back."""
