"""Replays stable's own past through the whole controller to measure false rollbacks."""
