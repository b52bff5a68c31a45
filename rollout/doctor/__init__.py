"""What must be so before a rollout can work: each thing is looked at, and its cure is said."""
