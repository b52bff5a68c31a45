"""Counts from exporters: cursors over raw samples, buckets, pods. No tests, no rates."""
