"""Sequential tests of two error rates, their margins and their difference; no buckets here."""
