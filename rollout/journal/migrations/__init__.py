"""The revisions of the journal's tables, run by Alembic."""
