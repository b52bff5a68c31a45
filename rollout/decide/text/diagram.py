"""The tables of phases and of deliveries as pictures for the docs."""

from __future__ import annotations

from collections.abc import Iterable

from rollout.decide.state.delivery import DELIVERY_MOVES
from rollout.decide.state.rollout import MOVES, TERMINAL


def draw_phases() -> str:
    """Return a Mermaid state diagram of every legal phase change."""
    moves = ((before, event, after) for (before, event), after in MOVES.items())
    return _draw(("waiting", "observing"), moves, sorted(TERMINAL))


def draw_deliveries() -> str:
    """Return a Mermaid state diagram of every legal change of a delivery's status."""
    moves = ((before, event, after) for (before, event), after in DELIVERY_MOVES.items())
    return _draw(("settled",), moves, ())


def _draw(first: Iterable[str], moves: Iterable[tuple[str, str, str]], last: Iterable[str]) -> str:
    def identifier(name: str) -> str:
        return name.replace(" ", "_")

    lines = ["stateDiagram-v2", *(f"  [*] --> {identifier(name)}" for name in first)]
    lines += [
        f"  {identifier(before)} --> {identifier(after)}: {event}" for before, event, after in moves
    ]
    lines += [f"  {identifier(name)} --> [*]" for name in last]
    return "\n".join(lines)
