"""Twenty bugs as patches: ten of the kinds that peers have, ten of kinds that were met here."""
