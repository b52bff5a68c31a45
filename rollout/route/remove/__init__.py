"""Remove, at a user's request, what a plan's rollouts created or changed in a cluster."""
