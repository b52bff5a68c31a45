"""How the journal's tables came to be, one revision after the other, for Alembic."""
