"""Weights into a mesh: pure manifest patches, and the door that each mesh is reached by.

`envoy` and `cluster` are routers; `istio` and `gateway` are the dialects of a cluster's objects.
`policy` and `create` are put around a router, `fence` before its writes, `by_mesh` on top.
"""
