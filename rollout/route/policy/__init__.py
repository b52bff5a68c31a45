"""A plan's policy: time-outs, retries, outlier detection and other fields besides the weights.

It is in force before the canary's first request. `owned` writes and restores single fields in
objects of others; `istio` and `envoy` say which fields; `cluster` and `files`/`proxy` store them;
`store` is the port of both, and says which policy is due.
"""
