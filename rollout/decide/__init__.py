"""What to do next, from recorded facts alone: `step` decides, `fold` remembers; no clock."""
