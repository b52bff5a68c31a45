"""One decision explained: what is recorded of it, and what making it again shows."""
