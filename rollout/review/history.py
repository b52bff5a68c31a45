"""One rollout's history, derived from its journal entries: weights, looks and decisions."""

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
    """The canary's share of traffic (0 to 1) from `seconds` after the start on."""

    seq: int
    seconds: float
    share: float


@dataclass(frozen=True)
class History:
    """A rollout from its start to its last entry; `state` is the state after that."""

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


def histories(entries: Iterable[Entry]) -> list[History]:
    """Every rollout of a journal, in the order of their starts."""
    return [history(own) for own in by_rollout(entries).values()]


def history(entries: Sequence[Entry]) -> History:
    """The history of one rollout, from its own entries in order.

    Raises ValueError when the first is not `started`, or there is none.
    """
    states = _states(entries)
    if not states:
        raise ValueError("no facts")
    return History(
        rollout=entries[0].fact.rollout,
        controller=next(e.fact.controller for e in entries if isinstance(e.fact, Started)),
        state=states[-1],
        ended_at=entries[-1].fact.at,
        weights=tuple(_weights(entries, states)),
        looks=tuple(looks(entries, states)),
    )


def _states(entries: Sequence[Entry]) -> list[RolloutState]:
    """The state after each entry."""
    states: list[RolloutState] = []
    for entry in entries:
        states.append(fold(states[-1] if states else None, entry.fact, entry.seq))
    return states


def _weights(entries: Sequence[Entry], states: Sequence[RolloutState]) -> Iterator[Weight]:
    """The start, and every entry after which the mesh shows another split."""
    shown = None
    for entry, state in zip(entries, states, strict=True):
        if state.split != shown:
            shown = state.split
            yield Weight(entry.seq, entry.fact.at - state.started_at, shown.share)
