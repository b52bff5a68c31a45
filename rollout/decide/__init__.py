"""What to do next, from recorded facts alone: no clock, no dice, no wire."""
