"""RolloutPlan resources: this room starts what they declare and shows what happens to it.

`annotations` reads the commands on a plan, `plan_cache` parses plans, `reconciler` ties one tick
together, `status/` writes statuses and Events, `triggers/` makes plans for new versions. Decisions
are made in `decide`; leader election is in `leader`.
"""
