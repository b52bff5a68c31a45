"""Write a plan's traffic weights into its mesh, and read back what the mesh shows.

`mesh_router` is the router of all meshes: it opens the mesh of a plan, and orders what is written
there: created objects (`create`), a policy (`policy`) and weights (`envoy`, `kube`). `istio` and
`gateway` describe how each API spells a route, `fence` checks leadership before each write, and
`remove` cleans up after a plan. What split to write is decided in `decide`; when, in `tick`.
"""
