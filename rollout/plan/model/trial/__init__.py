"""An A/B experiment of a plan: its goals, its end, its shares, and whether they fit the plan."""
