"""The models of a plan, one module for each block of `spec`. Files are read in `reading`."""
