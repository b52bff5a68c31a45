"""`surefoot undo|retry NAME`: a promotion taken back, a plan tried anew, by a person's word."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollout.cli.act.command import RETRIES, command_of
from rollout.errors import JournalMovedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rollout.decide.record.facts import HumanSaid
    from rollout.ports import Entry, Journal
    from rollout.tick.fleet import Fleet


def say_again(journal: Journal, name: str, said: HumanSaid) -> Sequence[Entry]:
    """Append a person's word on the newest rollout of that name, with all that it entails.

    Raises InputError for an unknown name or a word that makes no sense, JournalMovedError when the
    journal never stood still.
    """
    from rollout import __version__
    from rollout.tick.attempts import facts_for
    from rollout.tick.fleet import Fleet

    fleet, known = Fleet(), dict[str, str]()
    for _ in range(RETRIES):
        rollout = _newest(fleet, fleet.read(journal), known, name)
        facts = facts_for(fleet, said.model_copy(update={"rollout": rollout}), __version__)
        try:
            return journal.append(facts, fleet.head)
        except JournalMovedError:
            continue
    raise JournalMovedError("the journal keeps moving; nothing was recorded, say it again")


def _newest(fleet: Fleet, entries: Iterable[Entry], known: dict[str, str], name: str) -> str:
    """The newest attempt of what a name stands for, after a few more entries."""
    from rollout.journal.index import matching, names

    known |= names(entries)
    rollout = matching(known, name)[-1]
    return fleet.attempt_of(fleet.states[rollout].plan.id)


undo = command_of(
    "undo", "Take a promotion back: all traffic to the old version at once.", say_again
)
retry = command_of(
    "retry", "Try a plan that was rolled back or undone anew, with fresh evidence.", say_again
)
