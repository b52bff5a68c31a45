"""A plan file read: every mistake at once, with its place and its cure; no cluster here."""
