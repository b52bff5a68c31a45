"""Istio's routing objects: a VirtualService's routes and the destinations that they lead to."""
