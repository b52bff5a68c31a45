"""The plan: what the user asks for, and every mistake in it with line and column.

`fields` has the kinds of values, `model` the blocks of a plan, `reading` turns YAML into plans, and
`kube` describes a plan as a Kubernetes resource. Nothing here decides or calls a cluster.
"""
