"""What a split asks of an Envoy beyond weights: a segment's routes, copies, and affinity."""
