"""Plans as resources: what is declared is carried out, and what happens is shown on it."""
