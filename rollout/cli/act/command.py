"""`surefoot pause|resume|promote|abort NAME`: record a user's command as a fact in the journal.

The command moves no weight itself. The controller, often on another machine, reads the fact at its
next tick and acts on it, so that every command is recorded before it has an effect.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from rollout.cli.options.journal import journal_option
from rollout.decide.record.facts import Command, HumanSaid
from rollout.errors import InputError, JournalMovedError
from rollout.journal.location import JournalLocation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollout.journal.backwards import StoredJournal
    from rollout.ports import Entry

    Say = Callable[..., Sequence[Entry]]  # of a journal, a name, a command, and its own options

LIMIT = 200  # characters of free text that a user may write into the journal
RETRIES = 20  # a controller appends only a few times per look, so one of these gets in between


def record_command(journal: StoredJournal, name: str, command: HumanSaid) -> Sequence[Entry]:
    """Append a user's command for the latest rollout of that name (a plan's name or an id).

    The append names the last entry that was read and fails when there are newer ones. So a command
    never lands after the end of its rollout. Raises InputError for an unknown name or an ended
    rollout, JournalMovedError when other writers win every attempt to append.
    """
    from rollout.journal.scan import new_entries

    entries, last = _read_newest(journal, name)
    for _ in range(RETRIES):
        fact = command.model_copy(update={"rollout": _find_open_rollout(entries, name)})
        try:
            return journal.append([fact], after=last)
        except JournalMovedError:
            more, last = new_entries(journal, last)
            entries += more
    raise JournalMovedError(
        "nothing was recorded, since other writers keep appending: repeat the command"
    )


def _read_newest(journal: StoredJournal, name: str) -> tuple[list[Entry], int]:
    """Read the entries since the newest rollout of a name began, and the newest one's number.

    What is older is not read: the append checks the entry that it is sealed onto. Raises InputError
    for an unknown name, JournalError.
    """
    from rollout.journal.backwards import find_newest_start, scan_after
    from rollout.journal.index import matching
    from rollout.ports import Entry

    first, plan_names = find_newest_start(journal, name)
    matching(plan_names, name)
    records = [*scan_after(journal, first - 1)]
    return [record for record in records if isinstance(record, Entry)], records[-1].seq


_ENDED = {
    "promote": "promoted; `surefoot undo` takes the promotion back",
    "roll back": "rolled back; `surefoot retry` starts it again",
    "undo": "undone; `surefoot retry` starts it again",
    "end": "observed only; `surefoot retry` observes again",
}


def _find_open_rollout(entries: list[Entry], name: str) -> str:
    from rollout.journal.index import by_rollout, end_of, matching, names

    rollout = matching(names(entries), name)[-1]
    end = end_of(by_rollout(entries)[rollout])
    if end:
        raise InputError(f"{rollout} has ended: it was {_ENDED[end]}")
    return rollout


def worded(command: Command, *, actor: str, reason: str, now: float) -> HumanSaid:
    """Build the fact of a user's command, with its free text cleaned and cut.

    The rollout is empty: `say` and `say_again` fill it in when they have read the journal.
    """
    from rollout.explain.entry import clean

    texts = {"actor": clean(actor, LIMIT), "reason": clean(reason, LIMIT)}
    return HumanSaid(rollout="", at=now, command=command, **texts)


def _record(
    append: Say, name: str, journal: JournalLocation, command: HumanSaid
) -> tuple[Sequence[Entry], bool]:
    """Append the command; return the entries and whether a controller holds the journal."""
    from rollout.journal.open import open_for_commands

    opened = open_for_commands(journal)
    try:
        has_controller = opened.holder() is not None
        return append(opened, name, command), has_controller
    finally:
        opened.close()


def _print_entries(entries: Sequence[Entry], *, has_controller: bool, as_json: bool) -> None:
    from rollout.explain.log import as_document

    for entry in entries:
        if as_json:
            click.echo(json.dumps(as_document(entry), ensure_ascii=False))
        elif isinstance(entry.fact, HumanSaid):
            click.echo(
                f"recorded as entry {entry.seq:,}: {entry.fact.command} {entry.fact.rollout} by "
                f"{entry.fact.actor}; the controller acts on it at its next tick"
            )
        else:
            click.echo(f"recorded as entry {entry.seq:,}: it starts again as {entry.fact.rollout}")
    if not has_controller:
        click.echo(
            "warning: no controller is running; the command takes effect when one starts", err=True
        )


def whoami() -> str:
    """Return `user@host`, or the user's number when the machine has no name for it."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid-{os.getuid()}"
    return f"{user}@{socket.gethostname()}"


_HELP = """{summary}

NAME is a plan's name (its latest rollout) or a rollout id. The command is recorded in the journal
with your name; the controller acts on it at its next tick."""
_EXAMPLE = """\b
Example:
  surefoot {command} discharge-summarizer-v2 --reason "ticket 4711"
"""


_Decorator = Callable[[Any], Any]


def command_of(
    command: Command, summary: str, append: Say = record_command, more: _Decorator = lambda run: run
) -> click.Command:
    """Build `surefoot COMMAND NAME`, which records a user's command through `append`.

    `more` adds options: `instead` turns the command into another one, `force` forces it, and any
    other is passed to `append`.
    """

    @click.command(
        name=command,
        short_help=summary,
        help=_HELP.format(summary=summary),
        epilog=_EXAMPLE.format(command=command),
    )
    @click.argument("name")
    @click.option("--reason", default="", help=f"Why, at most {LIMIT} characters; no patient data.")
    @journal_option()
    @click.option("--as", "actor", help="Who gives the command, if not user@host.")
    @click.option("--json", "as_json", is_flag=True, help="Print each entry as a line of JSON.")
    @more
    def run(
        name: str,
        reason: str,
        journal: JournalLocation | None,
        actor: str | None,
        as_json: bool,
        *,
        instead: Command | None = None,
        force: bool = False,
        **options: object,
    ) -> None:
        from rollout.journal.location import default_path
        from rollout.wire.clock import SystemClock

        now = SystemClock().now()
        if instead and not reason.strip():
            raise InputError("say why the mesh cannot be reached: --reason")
        fact = worded(instead or command, actor=actor or whoami(), reason=reason, now=now)
        fact = fact.model_copy(update={"forced": force})
        appending = partial(append, **options)
        entries, has_controller = _record(appending, name, journal or default_path(), fact)
        _print_entries(entries, has_controller=has_controller, as_json=as_json)

    return run


pause = command_of("pause", "Hold the canary's weight; harm still rolls back.")
resume = command_of("resume", "Continue a paused rollout.")
promote = command_of("promote", "Send all traffic to the canary, whatever the evidence says.")
abort = command_of(
    "abort",
    "Send all traffic back to stable and end the rollout.",
    more=click.option(
        "--unreachable",
        "instead",
        flag_value="abandon",
        help="End it also where the mesh cannot be reached; needs --reason. Nobody then knows "
        "what the canary still gets.",
    ),
)
