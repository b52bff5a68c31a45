"""A report of one rollout: everything that an analyst or an auditor asks, in one file."""
