"""The promises of docs/reliability.md as checkers, each asked at its own time."""

from rollout.stories.invariants.base import Broken, Invariant
from rollout.stories.invariants.watch import CHECKS, PromiseWatch

__all__ = ["CHECKS", "Broken", "Invariant", "PromiseWatch"]
