"""Istio's routing objects: a VirtualService's routes and where they lead."""
