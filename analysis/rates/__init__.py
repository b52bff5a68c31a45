"""Sequential tests of two error rates, their margins and their difference. No buckets."""
