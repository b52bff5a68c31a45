"""Which of several replicas decides: the Lease, and what a leader must be able to do; no plans."""
