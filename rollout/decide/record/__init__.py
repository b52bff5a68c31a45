"""The journal's entries and the split of traffic, as they are written; no logic of rollouts."""
