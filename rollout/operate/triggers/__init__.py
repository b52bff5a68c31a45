"""RolloutTriggers: each new version of a watched Deployment becomes a RolloutPlan.

The rollouts of those plans are the reconciler's work, as for plans that a user applies.
"""
