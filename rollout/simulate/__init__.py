"""A world for the production tick: seeded traffic, a mesh, a clock, and faults on demand."""

from rollout.simulate.behaviour import LATENCY_EDGES, SCORE_EDGES, Behaviour
from rollout.simulate.ports import MemoryRouter, UnsealedJournal, VirtualClock
from rollout.simulate.world import SimulatedService

__all__ = [
    "LATENCY_EDGES",
    "SCORE_EDGES",
    "Behaviour",
    "MemoryRouter",
    "SimulatedService",
    "UnsealedJournal",
    "VirtualClock",
]
