"""`surefoot undo|confirm|retry NAME`: what a person may say of a rollout that has ended.

They revert a promotion, say that traffic follows the end, or start another attempt of a plan. All
apply to a rollout that has ended, unlike the commands in `command`, and so may append further
facts that begin a new attempt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rollout.cli.act.command import RETRIES, command_of
from rollout.errors import JournalMovedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rollout.decide.record.facts import HumanSaid
    from rollout.journal.backwards import StoredJournal
    from rollout.ports import Entry, Journal
    from rollout.tick.attempts import OldVersionCheck
    from rollout.tick.fleet import Fleet


def record_undo_or_retry(
    journal: Journal, name: str, command: HumanSaid, check: OldVersionCheck | None = None
) -> Sequence[Entry]:
    """Append a user's command for the newest rollout of that name, and the facts it causes.

    `check` says why the old version cannot answer, which refuses an undo that is not forced.
    Raises InputError for an unknown name or a command that cannot apply, JournalMovedError when
    other writers win every attempt to append.
    """
    return _record(journal, name, command, lambda fleet: fleet.read(journal), check)


def record_confirmation(journal: StoredJournal, name: str, command: HumanSaid) -> Sequence[Entry]:
    """Append that traffic follows the newest rollout of that name, which hangs on no other.

    Entries from before it began are not read. Raises as `record_undo_or_retry`.
    """
    from rollout.journal.backwards import find_newest_start, scan_after
    from rollout.journal.index import matching

    def begin(fleet: Fleet) -> Iterable[Entry]:
        first, plan_names = find_newest_start(journal, name)
        matching(plan_names, name)
        return fleet.read_from(first, scan_after(journal, first - 1))

    return _record(journal, name, command, begin)


def _record(
    journal: Journal,
    name: str,
    command: HumanSaid,
    begin: Callable[[Fleet], Iterable[Entry]],
    check: OldVersionCheck | None = None,
) -> Sequence[Entry]:
    from rollout.build import read_build
    from rollout.tick.attempts import facts_for
    from rollout.tick.fleet import Fleet

    fleet, plan_names = Fleet(), dict[str, str]()
    entries = begin(fleet)
    for _ in range(RETRIES):
        # Read and decide again in each attempt: the entries in between may change the outcome.
        rollout = _find_newest_attempt(fleet, entries, plan_names, name)
        fact = command.model_copy(update={"rollout": rollout})
        facts = facts_for(fleet, fact, read_build(), check)
        try:
            return journal.append(facts, fleet.head)
        except JournalMovedError:
            entries = fleet.read(journal)
    raise JournalMovedError(
        "nothing was recorded, since other writers keep appending: repeat the command"
    )


def _find_newest_attempt(
    fleet: Fleet, entries: Iterable[Entry], plan_names: dict[str, str], name: str
) -> str:
    """Return the newest attempt of the named plan or rollout.

    `plan_names` is extended by the new entries, so that a retry reads only those.
    """
    from rollout.journal.index import matching, names

    plan_names |= names(entries)
    rollout = matching(plan_names, name)[-1]
    return fleet.attempt_of(fleet.states[rollout].plan.id)


def _record_undo(
    journal: Journal, name: str, command: HumanSaid, *, context: str | None
) -> Sequence[Entry]:
    """Append an undo, unless the mesh knows that the old version has no endpoints."""
    from rollout.wire.meshes import old_version_check

    def warn(text: str) -> None:
        click.echo(f"warning: {text}; the undo goes on", err=True)

    return record_undo_or_retry(journal, name, command, old_version_check(context, warn))


def _add_undo_options(run: Any) -> Any:
    for option in (
        click.option(
            "--context", help="Context of the kubeconfig where the old version's endpoints are."
        ),
        click.option(
            "--force", is_flag=True, help="Also where the old version has no ready endpoint."
        ),
    ):
        run = option(run)
    return run


undo = command_of(
    "undo",
    "Take a promotion back: all traffic to the old version at once.",
    _record_undo,
    _add_undo_options,
)
confirm = command_of(
    "confirm",
    "Say that traffic follows the last write, where the counts said otherwise.",
    record_confirmation,
)
retry = command_of(
    "retry",
    "Start a plan again that was rolled back or undone, with new evidence.",
    record_undo_or_retry,
)
