"""`surefoot pause|resume|promote|abort NAME`: a person's command becomes a fact in the journal."""

from __future__ import annotations

import getpass
import json
import os
import socket
from typing import TYPE_CHECKING

import click

from rollout.cli.options.journal import journal_option
from rollout.decide.record.facts import Command, HumanSaid
from rollout.errors import InputError, JournalMovedError
from rollout.journal.location import JournalLocation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rollout.ports import Entry, Journal

    Say = Callable[[Journal, str, HumanSaid], Sequence[Entry]]

LIMIT = 200  # letters of free text that a person may leave in the journal
RETRIES = 20  # a controller appends a few times per look; one of these falls in between


def say(journal: Journal, name: str, said: HumanSaid) -> Sequence[Entry]:
    """Append a person's command for the latest rollout of that name (a plan's name or an id).

    Raises InputError for an unknown name or an ended rollout, JournalMovedError when the journal
    never stood still.
    """
    from rollout.journal.scan import new_entries

    entries, last = new_entries(journal, 0)
    for _ in range(RETRIES):
        fact = said.model_copy(update={"rollout": _open_rollout(entries, name)})
        try:
            return journal.append([fact], after=last)
        except JournalMovedError:
            more, last = new_entries(journal, last)
            entries += more
    raise JournalMovedError("the journal keeps moving; nothing was recorded, say it again")


_ENDED = {
    "promote": "promoted; `surefoot undo` takes that back",
    "roll back": "rolled back; `surefoot retry` tries it anew",
    "undo": "undone; `surefoot retry` tries it anew",
}


def _open_rollout(entries: list[Entry], name: str) -> str:
    from rollout.journal.index import by_rollout, end_of, matching, names

    rollout = matching(names(entries), name)[-1]
    end = end_of(by_rollout(entries)[rollout])
    if end:
        raise InputError(f"{rollout} has ended: it was {_ENDED[end]}")
    return rollout


def worded(command: Command, *, actor: str, reason: str, now: float) -> HumanSaid:
    """A person's word, short and tame; of which rollout is not known yet."""
    from rollout.cli.text.facts import clean

    said = {"actor": clean(actor, LIMIT), "reason": clean(reason, LIMIT)}
    return HumanSaid(rollout="", at=now, command=command, **said)


def _record(
    how: Say, name: str, journal: JournalLocation, said: HumanSaid
) -> tuple[Sequence[Entry], bool]:
    """The entries, and whether a controller is there to act on them."""
    from rollout.journal.open import open_for_commands

    opened = open_for_commands(journal)
    try:
        heard = opened.holder() is not None
        return how(opened, name, said), heard
    finally:
        opened.close()


def _tell(entries: Sequence[Entry], *, heard: bool, as_json: bool) -> None:
    from rollout.cli.inspect.log import as_document

    for entry in entries:
        if as_json:
            click.echo(json.dumps(as_document(entry), ensure_ascii=False))
        elif isinstance(entry.fact, HumanSaid):
            click.echo(
                f"recorded as entry {entry.seq}: {entry.fact.command} {entry.fact.rollout} by "
                f"{entry.fact.actor}; the controller acts on it at its next tick"
            )
        else:
            click.echo(f"recorded as entry {entry.seq}: it begins anew as {entry.fact.rollout}")
    if not heard:
        click.echo(
            "warning: no controller is running: it acts when `surefoot run` starts", err=True
        )


def whoami() -> str:
    """`user@host`; the user's number where the machine knows no name."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid-{os.getuid()}"
    return f"{user}@{socket.gethostname()}"


_HELP = """{does}

NAME is a plan's name (its latest rollout) or a rollout id. The command is recorded in the journal
with your name; the controller acts on it at its next tick."""
_EXAMPLE = """\b
Example:
  surefoot {command} discharge-summarizer-v2 --reason "ticket 4711"
"""


def command_of(command: Command, does: str, how: Say = say) -> click.Command:
    """`surefoot COMMAND NAME`, which records a person's word."""

    @click.command(
        name=command,
        short_help=does,
        help=_HELP.format(does=does),
        epilog=_EXAMPLE.format(command=command),
    )
    @click.argument("name")
    @click.option("--reason", default="", help=f"Why, at most {LIMIT} letters; no patient data.")
    @journal_option()
    @click.option("--as", "actor", help="Who says it, where that is not user@host.")
    @click.option("--json", "as_json", is_flag=True, help="Print each entry as a line of JSON.")
    def run(
        name: str, reason: str, journal: JournalLocation | None, actor: str | None, as_json: bool
    ) -> None:
        from rollout.journal.location import default_path
        from rollout.wire.clock import SystemClock

        now = SystemClock().now()
        said = worded(command, actor=actor or whoami(), reason=reason, now=now)
        entries, heard = _record(how, name, journal or default_path(), said)
        _tell(entries, heard=heard, as_json=as_json)

    return run


pause = command_of("pause", "Hold the canary's weight; the rollback tests go on.")
resume = command_of("resume", "Let a paused rollout go on.")
promote = command_of("promote", "Send all traffic to the canary, whatever the evidence says.")
abort = command_of("abort", "Send all traffic back to stable and end the rollout.")
