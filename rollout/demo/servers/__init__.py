"""Starts Envoy and Prometheus as child processes; knows nothing of the demo's story."""
