"""The ladder of a rollout: the declared steps, how far it came, and where it stands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from rollout.decide.record.route_facts import Confirmed
from rollout.decide.state.rollout import RolloutState
from rollout.explain.status import Report
from rollout.plan.fields.units import percent
from rollout.plan.model.ramp import Steps
from rollout.ports import Entry

Progress = Literal["reached", "now", "reached before", "ahead", "not reached"]
_NEAR = 1e-9  # shares that differ by less are one


@dataclass(frozen=True)
class Rung:
    """One step; a step that was reached and left for a smaller one is `reached before`."""

    label: str
    progress: Progress


def find_highest(entries: Iterable[Entry]) -> float:
    """Return the largest share of the canary that the mesh confirmed."""
    facts = (entry.fact for entry in entries)
    shares = (fact.split.served_share for fact in facts if isinstance(fact, Confirmed))
    return max(shares, default=0.0)


def climb(state: RolloutState, status: Report, highest: float) -> list[Rung]:
    """Return the declared steps up to 100 %, and behind them the end where all goes back.

    `highest` is the largest share that was confirmed.
    """
    ramp = state.plan.spec.ramp
    declared = ramp.steps if isinstance(ramp, Steps) else (ramp.least, ramp.most)
    shares = [*dict.fromkeys((0.0, *declared, 1.0))]
    highest = max(highest, status.weight) + _NEAR
    if state.is_going_back or state.phase in {"rolled back", "undone"}:
        rungs = [Rung(percent(s), "reached" if s <= highest else "not reached") for s in shares]
        return [*rungs, Rung(f"{state.phase}, {percent(status.weight)}", "now")]
    present = max(share for share in shares if share <= status.weight + _NEAR)
    return [Rung(percent(share), _place(share, present, highest)) for share in shares]


def _place(share: float, present: float, highest: float) -> Progress:
    if share == present:
        return "now"
    if share < present:
        return "reached"
    return "reached before" if share <= highest else "ahead"
