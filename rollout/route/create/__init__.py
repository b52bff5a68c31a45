"""Create the routing objects that a plan with `create` asks for."""
