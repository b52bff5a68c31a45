"""Leader election: which of several replicas decides.

`election` holds the Lease, `journal_health` tells whether a replica can lead at all, `loop` runs
its ticks as leader or standby. Nothing here knows plans or rollouts.
"""
