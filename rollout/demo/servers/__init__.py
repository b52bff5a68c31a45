"""Real servers of this machine as child processes: Envoy, Prometheus; no story here."""
