"""Accesses to Prometheus: what an installation declares, and which server may see it."""
