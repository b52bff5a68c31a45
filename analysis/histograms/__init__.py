"""Sequential tests of two histograms by bucket, and the choice of edges that prove safety."""
