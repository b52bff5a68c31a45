"""A plan as a Kubernetes resource: definition, status, trigger and schema. Nothing is sent here."""
