"""Our engines, run over many rollouts at once with the same functions as `analysis.guard`.

An engine that learns dispersion from stable's past is added to ENGINES, and to PROOFS if it changes
how safety is proven; SHIPPED names what the product runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from analysis import safety, sequential
from analysis.rate import ENOUGH
from analysis.worlds import Array, Counts, History, Streams
from benchmarks.peers.rule import first

Past = Callable[..., History]
"""Draws stable's own past, one for each rollout of the streams, when an engine asks for it.

Takes the number of ticks; 12 h of 30 s are the default.
"""


class Outcome(NamedTuple):
    """What an engine did in each rollout, shape (rollouts,).

    `rolled_back`: the look (from 1) of the rollback, 0 for none. `refused`: the plan was refused
    before it began because no valid test exists; its reason is for people.
    """

    rolled_back: Counts
    refused: np.ndarray
    reason: str = ""


class Promise(NamedTuple):
    """How a proof went in each rollout: the look (from 1) of the proof, 0 for none; refusals."""

    proven: Counts
    refused: np.ndarray


Engine = Callable[[Streams, Past, float], Outcome]
"""Streams with pods, stable's past, and alpha; the margin is ratio 1 and nothing more."""

Proof = Callable[[Streams, Past, float, float, float], Promise]
"""Streams with pods, stable's past, the margin's ratio and absolute part, and beta."""

BRIEF = 20
"""Ticks of stable's past that the product sees before the canary's first request."""


def likelihood(streams: Streams, past: Past, alpha: float) -> Outcome:  # noqa: ARG001  # an Engine
    """R as `analysis.guard` runs it: requests are taken as independent, pods and past unused."""
    crossed = harm(streams.arms()) >= -np.log(alpha)
    return Outcome(first(crossed), np.zeros(len(crossed), dtype=bool))


def excess(streams: Streams, past: Past, ratio: float, absolute: float, beta: float) -> Promise:
    """D as `analysis.guard` runs it, with weights chosen from a brief past."""
    e, x = (counts.sum(axis=-1) for counts in past(ticks=BRIEF))
    before = Streams(np.zeros_like(e), np.zeros_like(x), e, x)
    proven = safe(streams.arms(), before, ratio, absolute) >= -np.log(beta)
    return Promise(first(proven), np.zeros(len(proven), dtype=bool))


ENGINES: dict[str, Engine] = {"R": likelihood}
SHIPPED = "R"

PROOFS: dict[str, Proof] = {"D": excess}
SHIPPED_PROOF = "D"


def harm(arms: Streams, ratio: float = 1.0, absolute: float = 0.0) -> Array:
    """R's log e-process after each look: (rollouts, looks)."""
    gains = sequential.increment(
        arms.e_c, arms.e_s, arms.x_c, arms.x_s, ratio=ratio, absolute=absolute
    )
    return sequential.log_harm(gains.cumsum(axis=-2))


def safe(arms: Streams, past: Streams, ratio: float = 1.0, absolute: float = 0.0) -> Array:
    """D's log evidence of safety after each look: (rollouts, looks).

    `past` holds stable's counts before the first look, which choose the weights of the bets.
    """
    gains = safety.below(arms.e_c, arms.e_s, arms.x_c, arms.x_s, ratio)
    both = (arms.e_c > 0) & (arms.e_s > 0)
    counted = np.where(both, arms.e_c, 0).cumsum(axis=-1)
    weights = informed(past, ratio, absolute)[:, None]
    return safety.log_safe(gains.cumsum(axis=-2), counted, absolute, weights)


def informed(past: Streams, ratio: float, absolute: float) -> Array:
    """D's prior weights from stable's past: (rollouts, levels)."""
    exposures, bad = past.e_s.sum(axis=-1), past.x_s.sum(axis=-1)
    share = (bad + 1) / (exposures + 1)
    known = (exposures >= ENOUGH)[:, None]
    return np.where(known, safety.prior(share, share, ratio, absolute), safety.WEIGHTS)
