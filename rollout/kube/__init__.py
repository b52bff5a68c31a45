"""The Kubernetes API: what is read, watched and written there, and the door to its client."""
