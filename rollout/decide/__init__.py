"""The decision logic, from recorded facts alone: `step` decides, `fold` updates the state."""
