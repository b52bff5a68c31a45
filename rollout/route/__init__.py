"""Write a plan's traffic weights into its mesh, and read back what the mesh shows.

`envoy` and `kube` contain the routers; `istio` and `gateway` describe how each API spells a route.
`policy` and `create` wrap a router, `fence` checks leadership before each write, `remove` cleans
up after a plan, and `by_mesh` picks the router of a plan. What split to write is decided in
`decide`; when, in `tick`.
"""
