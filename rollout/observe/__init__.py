"""Raw counters from Prometheus: one query per metric for every due rollout."""
