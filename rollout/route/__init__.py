"""Weights into a mesh: pure manifest patches, and the door that each mesh is reached by."""
