"""A RolloutPlan's status and Events: what they say and how they reach the cluster.

Nothing is decided here: `history` collects the journal's entries by resource, `status`,
`conditions` and `events` turn them into Kubernetes objects, `sync` posts what changed, and
`outbox` writes it to the API server from another thread.
"""
