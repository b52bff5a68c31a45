"""`surefoot undo|confirm|retry NAME`: what a person may say of a rollout that has ended.

They revert a promotion, say that traffic follows the end, or start another attempt of a plan. All
apply to a rollout that has ended, unlike the commands in `command`, and so may append further
facts that begin a new attempt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rollout.cli.act.command import RETRIES, command_of
from rollout.errors import JournalMovedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rollout.decide.record.facts import HumanSaid
    from rollout.ports import Entry, Journal
    from rollout.tick.fleet import Fleet


def record_undo_or_retry(journal: Journal, name: str, command: HumanSaid) -> Sequence[Entry]:
    """Append a user's command for the newest rollout of that name, and the facts it causes.

    Raises InputError for an unknown name or a command that cannot apply, JournalMovedError when
    other writers win every attempt to append.
    """
    from rollout import __version__
    from rollout.tick.attempts import facts_for
    from rollout.tick.fleet import Fleet

    fleet, plan_names = Fleet(), dict[str, str]()
    for _ in range(RETRIES):
        # Read and decide again in each attempt: the entries in between may change the outcome.
        rollout = _find_newest_attempt(fleet, fleet.read(journal), plan_names, name)
        facts = facts_for(fleet, command.model_copy(update={"rollout": rollout}), __version__)
        try:
            return journal.append(facts, fleet.head)
        except JournalMovedError:
            continue
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


undo = command_of(
    "undo",
    "Take a promotion back: all traffic to the old version at once.",
    record_undo_or_retry,
    click.option(
        "--force", is_flag=True, help="Also where the old version may not be able to answer."
    ),
)
confirm = command_of(
    "confirm",
    "Say that traffic follows the last write, where the counts said otherwise.",
    record_undo_or_retry,
)
retry = command_of(
    "retry",
    "Start a plan again that was rolled back or undone, with new evidence.",
    record_undo_or_retry,
)
