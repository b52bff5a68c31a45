"""Apply the revisions in one transaction, on the connection that `migrate` passes.

Alembic runs this module.
"""

from __future__ import annotations

from alembic import context

from rollout.journal.sql.tables import TABLES, VERSION

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=TABLES,
    version_table=VERSION.name,
)
with context.begin_transaction():
    context.run_migrations()
