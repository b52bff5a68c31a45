"""Read plan files, and report every mistake at once, with its position and a hint."""
