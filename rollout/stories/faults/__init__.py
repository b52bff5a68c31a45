"""Every event that a story may hold, by name; each module has those of one part of the world."""

from rollout.stories.faults import (
    api,
    clocks,
    disks,
    exporters,
    neighbours,
    people,
    processes,
    routes,
    servers,
)
from rollout.stories.faults.registry import FAULTS, Fault

__all__ = [
    "FAULTS",
    "Fault",
    "api",
    "clocks",
    "disks",
    "exporters",
    "neighbours",
    "people",
    "processes",
    "routes",
    "servers",
]
