"""The journal's facts and the traffic split, as they are recorded; no rollout logic."""
