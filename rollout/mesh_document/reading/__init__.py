"""Read mesh documents, and report every mistake at once, with its position and a hint."""
