"""What a journal says, for tests: its facts, its state, its evidence, and whether it replays."""

from __future__ import annotations

from typing import TypeVar

from analysis.counting.counts import Counts
from rollout.decide.fold import fold
from rollout.decide.record.facts import Decided, Observed, of_rollout
from rollout.decide.record.route_facts import Confirmed
from rollout.decide.state.rollout import RolloutState
from rollout.decide.step import step
from rollout.errors import InputError
from rollout.explain.status import states_of
from rollout.journal.location import JournalLocation
from rollout.journal.open import open_for_reading
from rollout.ports import Entry

_F = TypeVar("_F")


class Record:
    """The journal at a path, read anew (and so verified) at every question."""

    def __init__(self, path: JournalLocation) -> None:
        self.path = path

    @property
    def entries(self) -> list[Entry]:
        try:
            return list(open_for_reading(self.path).read())
        except InputError:
            return []  # it is not there yet

    def facts(self, kind: type[_F]) -> list[_F]:
        return [entry.fact for entry in self.entries if isinstance(entry.fact, kind)]

    @property
    def state(self) -> RolloutState:
        """Of the only rollout."""
        (state,) = states_of(self.entries).values()
        return state

    @property
    def actions(self) -> list[str]:
        """What was decided, holds left out."""
        return [fact.action for fact in self.facts(Decided) if fact.action != "hold"]

    def confirmed(self, canary: int) -> bool:
        """Whether the mesh has ever shown this weight."""
        return canary in {fact.split.canary for fact in self.facts(Confirmed)}

    def has_scrape_after(self, at: float) -> bool:
        """Whether a scrape later than `at` was observed."""
        newest = self.state.guardrails["errors"].newest("stable") if self.entries else None
        return newest is not None and newest > at

    def evidence(self, guardrail: str = "errors") -> Counts:
        """Every count since the first look, as recorded."""
        looks = [
            fact.tallies[guardrail] for fact in self.facts(Observed) if guardrail in fact.tallies
        ]
        return sum((tally.counts for tally in looks), Counts())

    def replays(self) -> bool:
        """Whether every decision comes out again, to the letter, from what was recorded before."""
        state = None
        for entry in filter(lambda entry: of_rollout(entry.fact), self.entries):
            if isinstance(entry.fact, Decided):
                assert state is not None
                assert (
                    step(state, entry.fact.at, entry.fact.rollout, entry.fact.lived) == entry.fact
                )
            state = fold(state, entry.fact, entry.seq)
        return True
