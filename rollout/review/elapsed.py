"""The time since the start of a rollout at each of its entries, also where a clock was set back."""

from __future__ import annotations

from collections.abc import Sequence

from rollout.decide.record.facts import HumanSaid
from rollout.decide.state.rollout import APART, RolloutState
from rollout.ports import Entry


def list_elapsed(entries: Sequence[Entry], states: Sequence[RolloutState]) -> list[float]:
    """Return seconds since the start at each entry of one rollout, from the state after each.

    They are those of the wall clock. Where the controller's was set back by more than a moment they
    go on by the time that it lived through, so that no look is before one that it followed. A
    person's clock is another one, and sets nothing back.
    """
    elapsed: list[float] = []
    newest, clock, ahead = entries[0].fact.at, states[0].clock, 0.0
    for entry, state in zip(entries, states, strict=True):
        at = entry.fact.at
        if not isinstance(entry.fact, HumanSaid):
            if at < newest - APART:
                ahead += newest - at + (max(state.clock - clock, 0.0) if state.is_lived else 0.0)
            newest, clock = at, state.clock
        elapsed.append(at - states[0].started_at + ahead)
    return elapsed
