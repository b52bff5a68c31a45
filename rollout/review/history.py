"""Derive one rollout's history from its journal entries: weights, looks and decisions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from rollout.decide.fold import fold
from rollout.decide.record.facts import Decided, Observed, Started
from rollout.decide.state.rollout import RolloutState
from rollout.journal.index import by_rollout
from rollout.ports import Entry
from rollout.review.elapsed import list_elapsed
from rollout.review.look import Look, looks
from rollout.review.units import LookUnits, list_segment_units, list_units


@dataclass(frozen=True)
class Weight:
    """The canary's share of traffic (0 to 1), valid from `seconds` after the start."""

    seq: int
    seconds: float
    share: float


@dataclass(frozen=True)
class RecordedRollout:
    """A rollout from its start to its last entry: its entries, and its state after each.

    Looks and weights are derived when they are asked for.
    """

    entries: tuple[Entry, ...]
    states: tuple[RolloutState, ...]

    @property
    def rollout(self) -> str:
        """The rollout's id."""
        return self.entries[0].fact.rollout

    @property
    def controller(self) -> str:
        """Version and build of the controller that began it."""
        return next(e.fact.controller for e in self.entries if isinstance(e.fact, Started))

    @property
    def state(self) -> RolloutState:
        """The state after the last entry."""
        return self.states[-1]

    @property
    def ended_at(self) -> float:
        """Unix time of the last entry."""
        return self.entries[-1].fact.at

    @cached_property
    def elapsed(self) -> tuple[float, ...]:
        """Seconds since the start at each entry."""
        return tuple(list_elapsed(self.entries, self.states))

    @cached_property
    def weights(self) -> tuple[Weight, ...]:
        """The canary's share of traffic after each change."""
        return tuple(_find_weight_changes(self.entries, self.states, self.elapsed))

    @cached_property
    def looks(self) -> tuple[Look, ...]:
        """Every look, judged and decided again."""
        return tuple(looks(self.entries, self.states))

    @cached_property
    def units(self) -> tuple[LookUnits, ...]:
        """What each look counted of each guardrail."""
        return tuple(list_units(self.entries, self.states))

    @cached_property
    def segment_units(self) -> tuple[LookUnits, ...]:
        """What each look counted of each segment of each guardrail."""
        return tuple(list_segment_units(self.entries, self.states))

    @property
    def lasted(self) -> float:
        """Seconds from the start to the last entry."""
        return self.elapsed[-1]

    @property
    def decisions(self) -> tuple[Look, ...]:
        """The looks at which something was decided."""
        return tuple(look for look in self.looks if look.decided is not None)

    @property
    def looks_count(self) -> int:
        """How often both versions were counted."""
        return sum(isinstance(entry.fact, Observed) for entry in self.entries)

    @property
    def decisions_count(self) -> int:
        """How many decisions were recorded."""
        return sum(isinstance(entry.fact, Decided) for entry in self.entries)

    @property
    def alpha(self) -> float:
        """Declared false-rollback rate: harm is proven at 1/alpha."""
        return self.state.plan.spec.confidence.false_rollback

    @property
    def beta(self) -> float:
        """Declared false-promotion rate: safety is proven at 1/beta."""
        return self.state.plan.spec.confidence.false_promotion


def histories(entries: Iterable[Entry]) -> list[RecordedRollout]:
    """Return the history of every rollout in a journal, in order of their starts."""
    return [history(rollout_entries) for rollout_entries in by_rollout(entries).values()]


def history(entries: Sequence[Entry]) -> RecordedRollout:
    """Return the history of one rollout, from its own entries in order.

    Raises ValueError when there are no entries, or the first is not `started`.
    """
    if not entries:
        raise ValueError("no facts")
    return RecordedRollout(tuple(entries), tuple(_fold_states(entries)))


def _fold_states(entries: Sequence[Entry]) -> list[RolloutState]:
    """Return the state after each entry."""
    states: list[RolloutState] = []
    for entry in entries:
        states.append(fold(states[-1] if states else None, entry.fact, entry.seq))
    return states


def _find_weight_changes(
    entries: Sequence[Entry], states: Sequence[RolloutState], elapsed: Sequence[float]
) -> Iterator[Weight]:
    """Yield the split at the start, and each split that the mesh shows after it.

    `state.split` is what the mesh confirmed, not what a decision asked for.
    """
    last_split = None
    for entry, state, seconds in zip(entries, states, elapsed, strict=True):
        if state.split != last_split:
            last_split = state.split
            yield Weight(entry.seq, seconds, last_split.share)
