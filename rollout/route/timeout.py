"""The time-outs of routes: how long a request may go on that began before a write."""

from __future__ import annotations

from collections.abc import Iterable

from rollout.plan.fields.units import seconds
from rollout.route.manifest import Json


def find_longest_timeout(actions: Iterable[Json]) -> float | None:
    """Return the longest time-out (seconds) of some routes, as any of the meshes spells it.

    None where one of them has none, or one that cannot be read: nobody knows it then. Zero switches
    a time-out off.
    """
    timeouts = [_read_timeout(action) for action in actions]
    limits = [timeout for timeout in timeouts if timeout]
    return max(limits) if limits and len(limits) == len(timeouts) else None


def _read_timeout(action: Json) -> float | None:
    within = action.get("timeouts")
    text = within.get("request") if isinstance(within, dict) else action.get("timeout")
    try:
        return seconds(text)
    except ValueError:
        return None
