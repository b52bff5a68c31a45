"""A plan as a Kubernetes resource: definition, status, trigger, schema; nothing is sent here."""
