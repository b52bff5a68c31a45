"""Bring a journal's tables to this version's schema.

Usage: `python -m rollout.journal.migrate JOURNAL`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import alembic.command
from alembic.config import Config

from rollout.errors import BAD_INPUT, SurefootError
from rollout.journal.location import JournalLocation, from_words, shown
from rollout.journal.sql.store import open_database
from rollout.journal.sql.stored import REVISIONS
from rollout.journal.sql.tables import ENTRIES, create, names_of


def migrate(where: JournalLocation) -> None:
    """Apply the missing revisions in one transaction, under the deciding controller's lock.

    Raises JournalBusyError, JournalError, and InputError where there is no journal.
    """
    database = open_database(where)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    try:
        with database.lock(), database.words(), database.writing() as connection:
            if ENTRIES.name in names_of(connection):
                # Adds the revision number to a journal from before there was one.
                create(connection)
            config.attributes["connection"] = connection
            alembic.command.upgrade(config, "head")
    finally:
        database.close()


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m rollout.journal.migrate JOURNAL", file=sys.stderr)  # noqa: T201
        return BAD_INPUT
    try:
        migrate(from_words(arguments[0]))
    except SurefootError as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command
        return error.exit_code
    print(f"{shown(arguments[0])} is of schema {REVISIONS[-1]}")  # noqa: T201 - a command
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
