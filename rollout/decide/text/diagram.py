"""The table of moves as a picture, for the docs: drawn from the table, never beside it."""

from __future__ import annotations

from rollout.decide.state.rollout import MOVES, TERMINAL


def mermaid() -> str:
    """A Mermaid state diagram of every legal move."""

    def name(phase: str) -> str:
        return phase.replace(" ", "_")

    lines = ["stateDiagram-v2", "  [*] --> waiting"]
    lines += [f"  {name(a)} --> {name(b)}: {event}" for (a, event), b in MOVES.items()]
    lines += [f"  {name(phase)} --> [*]" for phase in sorted(TERMINAL)]
    return "\n".join(lines)
