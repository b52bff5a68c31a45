"""Simulates the surroundings of a tick: seeded traffic, mesh, clock, journal and faults.

Tests, rehearsals and calibrations all use it, so they run the same production tick.
"""

from rollout.simulate.behaviour import LATENCY_EDGES, SCORE_EDGES, Behaviour
from rollout.simulate.ports import MemoryRouter, UnsealedJournal, VirtualClock
from rollout.simulate.world import SimulatedService, scale_of

__all__ = [
    "LATENCY_EDGES",
    "SCORE_EDGES",
    "Behaviour",
    "MemoryRouter",
    "SimulatedService",
    "UnsealedJournal",
    "VirtualClock",
    "scale_of",
]
