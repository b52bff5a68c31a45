"""The table of phase changes as a picture for the docs, generated from `MOVES`."""

from __future__ import annotations

from rollout.decide.state.rollout import MOVES, TERMINAL


def mermaid() -> str:
    """Return a Mermaid state diagram of every legal phase change."""

    def identifier(phase: str) -> str:
        return phase.replace(" ", "_")

    lines = ["stateDiagram-v2", "  [*] --> waiting"]
    lines += [f"  {identifier(a)} --> {identifier(b)}: {event}" for (a, event), b in MOVES.items()]
    lines += [f"  {identifier(phase)} --> [*]" for phase in sorted(TERMINAL)]
    return "\n".join(lines)
