"""Which process a series is of, and which series may be one counter under several names."""
