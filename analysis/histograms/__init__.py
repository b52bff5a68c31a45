"""Sequential tests of two histograms, bucket by bucket, and which edges can prove a tolerance."""
