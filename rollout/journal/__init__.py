"""The journal: facts sealed in a chain of hashes, written before anything acts on them."""
