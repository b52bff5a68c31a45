"""Derive one rollout's history from its journal entries: weights, looks and decisions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rollout.decide.fold import fold
from rollout.decide.record.facts import Started
from rollout.decide.state.rollout import RolloutState
from rollout.journal.index import by_rollout
from rollout.ports import Entry
from rollout.review.look import Look, looks


@dataclass(frozen=True)
class Weight:
    """The canary's share of traffic (0 to 1), valid from `seconds` after the start."""

    seq: int
    seconds: float
    share: float


@dataclass(frozen=True)
class RecordedRollout:
    """A rollout from its start to its last entry; `state` is the state after the last entry."""

    rollout: str
    controller: str
    state: RolloutState
    ended_at: float
    weights: tuple[Weight, ...]
    looks: tuple[Look, ...]

    @property
    def lasted(self) -> float:
        """Seconds from the start to the last entry."""
        return self.ended_at - self.state.started_at

    @property
    def decisions(self) -> tuple[Look, ...]:
        """The looks at which something was decided."""
        return tuple(look for look in self.looks if look.decided is not None)

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
    states = _fold_states(entries)
    if not states:
        raise ValueError("no facts")
    return RecordedRollout(
        rollout=entries[0].fact.rollout,
        controller=next(e.fact.controller for e in entries if isinstance(e.fact, Started)),
        state=states[-1],
        ended_at=entries[-1].fact.at,
        weights=tuple(_find_weight_changes(entries, states)),
        looks=tuple(looks(entries, states)),
    )


def _fold_states(entries: Sequence[Entry]) -> list[RolloutState]:
    """Return the state after each entry."""
    states: list[RolloutState] = []
    for entry in entries:
        states.append(fold(states[-1] if states else None, entry.fact, entry.seq))
    return states


def _find_weight_changes(
    entries: Sequence[Entry], states: Sequence[RolloutState]
) -> Iterator[Weight]:
    """Yield the split at the start, and each split that the mesh shows after it.

    `state.split` is what the mesh confirmed, not what a decision asked for.
    """
    last_split = None
    for entry, state in zip(entries, states, strict=True):
        if state.split != last_split:
            last_split = state.split
            yield Weight(entry.seq, entry.fact.at - state.started_at, last_split.share)
