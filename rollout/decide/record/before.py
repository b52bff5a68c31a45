"""The words by which a record tells what a route was before our first write.

`rollout.route.before` reads and writes records; a fleet only hands what one rollout moved to
another.
"""

from __future__ import annotations

from collections.abc import Iterable

WEIGHTS = "weights of "  # the routes that a rollout moves, entry by entry
LACKING = "no canary in "  # those of them without an entry for the canary, by their parts
MOVED = "moved by another: "  # before a line of another rollout's record


def note_moved_by_others(lines: Iterable[str]) -> tuple[str, ...]:
    """Return those lines of other rollouts' records that tell what they moved, as theirs."""
    parts = [line.partition(" ") for line in lines]
    words = (WEIGHTS, LACKING)
    moved = {f"{head} {MOVED}{rest}" for head, _, rest in parts if rest.startswith(words)}
    return tuple(sorted(moved))
