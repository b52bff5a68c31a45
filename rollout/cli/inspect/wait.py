"""`surefoot wait`: wait for the end of a rollout, and tell a script how it came by an exit code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import click

from rollout.cli.options.journal import READ, journal_option
from rollout.cli.options.param_types import SECONDS
from rollout.errors import DONE, NOT_FOLLOWED, TIMED_OUT, InputError
from rollout.journal.backwards import find_newest_start, scan_after
from rollout.journal.index import list_newest, matching, names
from rollout.journal.location import JournalLocation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollout.decide.state.rollout import Phase, RolloutState
    from rollout.journal.backwards import StoredJournal
    from rollout.ports import Entry

_POLL = 0.5  # seconds between two reads

Goal = Literal["promoted", "rolledback", "decided"]
Cause = Literal["proven", "harm", "person", "deadline", "blind", "other"]

# `decided` is every end.
_PHASES: Mapping[str, frozenset[Phase]] = {
    "promoted": frozenset({"promoted"}),
    "rolledback": frozenset({"rolled back", "undone"}),
}
# By what the run has shown; of the others the reason itself tells who or what ended it.
_CAUSES: Mapping[str, Cause] = {"proven": "proven", "harmful": "harm", "blind": "blind"}
_EXIT_CODES: Mapping[Cause, int] = {
    "harm": 4,
    "person": 5,
    "deadline": 6,
    "blind": 7,
    "proven": 8,
    "other": 8,
}


@dataclass(frozen=True)
class Ending:
    """How a rollout ended: the sentence of the decision that led to it, and why it came to it."""

    rollout: str
    phase: Phase
    cause: Cause
    sentence: str
    follows: bool  # whether the traffic follows the last write

    def exit_code(self, goal: Goal) -> int:
        """Return 0 where this is what was waited for, or the code of its cause."""
        if not self.follows:
            return NOT_FOLLOWED
        is_reached = goal == "decided" or self.phase in _PHASES[goal]
        return DONE if is_reached else _EXIT_CODES[self.cause]


def find_ending(rollout: str, state: RolloutState) -> Ending | None:
    """Return how a rollout ended; None while it goes on."""
    if not state.is_terminal:
        return None
    ended = state.move or state.last  # an observation ends without a move
    sentence = ended.sentence if ended else ""
    follows = not (state.following is not None and state.following.blocks_next)
    return Ending(rollout, state.phase, _find_cause(state), sentence, follows)


def _find_cause(state: RolloutState) -> Cause:
    """Return what led to the end: the first reason of the last decision about the mesh."""
    from rollout.decide.record.reasons import Reason, first_reason

    ended = state.move or state.last
    reason = first_reason(ended.reasons) if ended else None
    match reason:
        case None:
            return "other"
        case Reason.HUMAN:
            return "person"
        case Reason.INCONCLUSIVE | Reason.USED_UP:
            return "deadline"
    return _CAUSES.get(reason.outcome, "other")


@click.command(
    epilog="""\b
Examples:
  surefoot wait discharge-summarizer-v3
  surefoot wait discharge-summarizer-v3 --for promoted --timeout 2h
  surefoot wait discharge-summarizer-v3 --json | jq -r .cause

\b
Exit codes: 0 it ended as awaited; it ended otherwise 4 for harm, 5 by a person, 6 at its deadline
without proof, 7 because data lacked for too long, 8 in another way; 3 it ended and traffic does
not follow; 124 it has not ended within --timeout; 1 failed, 2 bad input.""",
)
@click.argument("name")
@journal_option(READ)
@click.option(
    "--for",
    "goal",
    type=click.Choice(["promoted", "rolledback", "decided"], case_sensitive=False),
    default="decided",
    show_default=True,
    help="The end that is awaited; decided: any end, an observation's too.",
)
@click.option(
    "--timeout", type=SECONDS, metavar="DURATION", help="Wait no longer, such as 90m; else forever."
)
@click.option("--json", "as_json", is_flag=True, help="Print the end as one JSON object.")
def wait(
    name: str,
    journal: JournalLocation | None,
    goal: Goal,
    timeout: float | None,
    *,
    as_json: bool,
) -> None:
    """Wait until the newest rollout of NAME (a plan's name or an id) has ended.

    With --timeout a rollout that has not started yet is awaited too; without, it is bad input. What
    it decides meanwhile goes to standard error, how it ended to standard output.
    """
    from rollout.journal.location import default_path
    from rollout.journal.open import exists, open_for_reading
    from rollout.wire.clock import SystemClock

    clock, where, awaited = SystemClock(), journal or default_path(), AwaitedRollout(name)
    until = None if timeout is None else clock.monotonic() + timeout
    while not exists(where) and until is not None and clock.monotonic() < until:
        clock.sleep(_POLL)  # the controller that makes it starts beside us
    source = open_for_reading(where)
    newest_line = ""
    try:
        while (ending := awaited.read(source)) is None:
            if until is None and not awaited.has_started:
                raise InputError(f"{awaited} (with --timeout it is awaited)")
            if until is not None and clock.monotonic() >= until:
                click.echo(f"surefoot: after the whole --timeout: {awaited}", err=True)
                raise SystemExit(TIMED_OUT)
            if (line := str(awaited)) != newest_line:
                click.echo(newest_line := line, err=True)
            clock.sleep(_POLL)
    finally:
        source.close()
    code = ending.exit_code(goal)
    click.echo(_to_json(ending, goal, code) if as_json else _describe(ending))
    raise SystemExit(code)


class AwaitedRollout:
    """The newest rollout of a name, from a journal that grows."""

    def __init__(self, name: str) -> None:
        from rollout.tick.fleet import Fleet

        self._name, self._fleet = name, Fleet()
        self._known: dict[str, str] = {}  # plan names by rollout

    def read(self, journal: StoredJournal) -> Ending | None:
        """Read what is new; return how the rollout ended, None while it goes on.

        First only what is no older than the rollout is read.
        """
        entries = self._fleet.read(journal) if self._fleet.head else self._begin(journal)
        self._known |= names(entries)
        newest = self._newest
        return find_ending(*newest) if newest else None

    def _begin(self, journal: StoredJournal) -> Iterator[Entry]:
        head = journal.head()
        first, others = find_newest_start(journal, self._name)
        if not first:  # what was there is of others
            first, self._known = head + 1, others
        return self._fleet.read_from(first, scan_after(journal, first - 1))

    @property
    def has_started(self) -> bool:
        """Whether there is a rollout of that name."""
        return self._newest is not None

    @property
    def _newest(self) -> tuple[str, RolloutState] | None:
        """The rollout that started last, with its state; None while none has started."""
        try:
            rollout = matching(self._known, self._name)[-1]
        except InputError:
            return None
        return rollout, self._fleet.states[rollout]

    def __str__(self) -> str:
        """Where the rollout is, and the sentence of its newest move or of its pause."""
        from rollout.explain.entry import clean

        if self._newest is None:
            others = list_newest(map(clean, self._known.values()))
            name = clean(self._name)
            return f"no rollout of the name {name!r} has started; known: {others}"
        rollout, state = self._newest
        newest = state.pause if state.phase == "paused" else state.move
        sentence = f": {clean(newest.sentence)}" if newest else ""
        return f"{clean(rollout)} is {state.phase}{sentence}"


def _describe(ending: Ending) -> str:
    from rollout.explain.entry import clean

    missing = "" if ending.follows else " The traffic does not follow (docs/runbook.md)."
    return f"{clean(ending.rollout)} is {ending.phase}: {clean(ending.sentence)}{missing}"


def _to_json(ending: Ending, goal: Goal, code: int) -> str:
    from rollout.redact import redact_values

    report = {
        "rollout": ending.rollout,
        "awaited": goal,
        "reached": code == DONE,
        "phase": ending.phase,
        "cause": ending.cause,
        "sentence": ending.sentence,
        "follows": ending.follows,
    }
    return json.dumps(redact_values(report), ensure_ascii=False)
