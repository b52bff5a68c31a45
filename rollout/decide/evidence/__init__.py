"""How one look's samples change a rollout's evidence; nothing is decided here."""
