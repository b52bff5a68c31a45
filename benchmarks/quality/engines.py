"""Our tests, run over many rollouts at once with the functions of `analysis.verdict.guardrail`.

SHIPPED and SHIPPED_PROOF are what runs for a plan that declares its pods; INDEPENDENT is what runs
for one that does not, and takes requests as independent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from analysis.dispersion import tempering
from analysis.dispersion.estimate import Dispersion, ExposureHistory, estimate
from analysis.log_arrays import column
from analysis.rates import excess_bound, ratio_test, robust_test
from analysis.rates.rate import AGILE, ENOUGH, FIT
from benchmarks.peers.rule import first
from benchmarks.worlds.draws import Array, DrawnCounts
from benchmarks.worlds.rates import History, Streams

Past = Callable[..., History]
"""Draws stable's own past, one for each rollout of the streams, when an engine asks for it.

Takes the number of ticks; 12 h of 30 s are the default.
"""


class Outcome(NamedTuple):
    """What an engine did in each rollout, shape (rollouts,).

    `rolled_back`: the look (from 1) of the rollback, 0 for none. `refused`: the plan was refused
    before it began because no valid test exists; its reason is for people.
    """

    rolled_back: DrawnCounts
    refused: np.ndarray
    reason: str = ""


class Trace(NamedTuple):
    """Log of an engine's e-process after each look, (rollouts, looks), and what it refused."""

    log: Array
    refused: np.ndarray
    reason: str = ""

    def at(self, alpha: float) -> Outcome:
        """What it does at a false-rollback rate."""
        crossed = first(self.log >= -np.log(alpha))
        return Outcome(np.where(self.refused, 0, crossed), self.refused, self.reason)


class Promise(NamedTuple):
    """How a proof went in each rollout: the look (from 1) of the proof, 0 for none; refusals."""

    proven: DrawnCounts
    refused: np.ndarray


Engine = Callable[[Streams, Past], Trace]
"""Streams with pods, and stable's past; the margin is ratio 1 and nothing more."""

Proof = Callable[[Streams, Past, ArrayLike, ArrayLike, float], Promise]
"""Streams with pods, stable's past, the margin's ratio and absolute part, and beta.

Margins are numbers or one for each rollout.
"""

BRIEF = 20
"""Ticks of stable's past that the product sees before the canary's first request."""


def likelihood(streams: Streams, past: Past) -> Trace:  # noqa: ARG001  # an Engine
    """The ratio test as `analysis.verdict.guardrail` runs it: requests are independent, no pods."""
    log = harm(streams.arms())
    return Trace(log, np.zeros(len(log), dtype=bool))


def excess(
    streams: Streams, past: Past, ratio: ArrayLike, absolute: ArrayLike, beta: float
) -> Promise:
    """D as `analysis.verdict.guardrail` runs it, with weights chosen from a brief past."""
    e, x = (counts.sum(axis=-1) for counts in past(ticks=BRIEF))
    before = Streams(np.zeros_like(e), np.zeros_like(x), e, x)
    proven = safe(streams.arms(), before, ratio, absolute) >= -np.log(beta)
    return Promise(first(proven), np.zeros(len(proven), dtype=bool))


def robust_harm(streams: Streams, past: Past) -> Trace:
    """The robust test as `analysis.rates.rate` runs it, under a dispersion learnt from pods."""
    found = learnt(streams, past)
    refused = np.array([bool(one.problem) for one in found])
    reason = next((one.problem for one in found if one.problem), "")
    return Trace(robust_test.path(found, _counts(streams)), refused, reason)


def robust_excess(
    streams: Streams, past: Past, ratio: ArrayLike, absolute: ArrayLike, beta: float
) -> Promise:
    """D as `analysis.rates.rate` runs it under a dispersion learnt from pods."""
    found = learnt(streams, past)
    e, x = (counts.sum(axis=-1) for counts in past(ticks=BRIEF))
    before = Streams(np.zeros_like(e), np.zeros_like(x), e, x)
    proven = steady(streams, found, before, ratio, absolute) >= -np.log(beta)
    refused = np.array([bool(one.problem) for one in found])
    return Promise(np.where(refused, 0, first(proven)), refused)


def learnt(streams: Streams, past: Past) -> list[Dispersion]:
    """Each rollout's dispersion, from 12 hours of its own stable pods."""
    e, x = past()
    pods = streams.e_c.shape[-1]
    return [estimate(ExposureHistory(one, two), pods) for one, two in zip(e, x, strict=True)]


def steady(
    streams: Streams, found: list[Dispersion], past: Streams, ratio: ArrayLike, absolute: ArrayLike
) -> Array:
    """D's log evidence of safety after each look, each weighed by what was known before it."""
    noise, arms = tempering.noises(found), streams.arms()
    weights = informed(past, ratio, absolute)
    usual = (past.x_s.sum(axis=-1) + 0.5) / (past.e_s.sum(axis=-1) + 1)
    states = robust_test.walk(noise, _counts(streams), ratio=ratio, absolute=absolute)
    below: Array | float = 0.0
    counted, logs = np.zeros(len(usual)), []
    for e_c, x_c, e_s, x_s, state in zip(*(a.T for a in arms), states, strict=True):
        both = (e_c > 0) & (e_s > 0)
        bad = np.maximum(usual * e_s, x_s / FIT)
        n, share = tempering.expected(e_c, e_s, bad, ratio, absolute)
        worth = np.where(both, 1 / tempering.steadied(noise, n, share), 0.0)
        below = below + worth[:, None] * excess_bound.below(e_c, e_s, x_c, x_s, ratio)
        counted = counted + worth * e_c
        calm = tempering.total(noise, robust_test.information(state))
        logs.append(excess_bound.log_safe(below / calm[:, None], counted / calm, absolute, weights))
        usual = np.where(both, usual + AGILE * (x_s / np.maximum(e_s, 1) - usual), usual)
    return np.array(logs).T


ENGINES: dict[str, Engine] = {"R": likelihood, "robust": robust_harm}
SHIPPED, INDEPENDENT = "robust", "R"

PROOFS: dict[str, Proof] = {"D": excess, "robust D": robust_excess}
SHIPPED_PROOF, INDEPENDENT_PROOF = "robust D", "D"


def _counts(streams: Streams) -> robust_test.ArmCounts:
    arms = streams.arms()
    return robust_test.ArmCounts(arms.e_c, arms.e_s, arms.x_c, arms.x_s)


def harm(arms: Streams, ratio: float = 1.0, absolute: float = 0.0) -> Array:
    """R's log e-process after each look: (rollouts, looks)."""
    gains = ratio_test.increment(
        arms.e_c, arms.e_s, arms.x_c, arms.x_s, ratio=ratio, absolute=absolute
    )
    return ratio_test.log_harm(gains.cumsum(axis=-2))


def safe(arms: Streams, past: Streams, ratio: ArrayLike = 1.0, absolute: ArrayLike = 0.0) -> Array:
    """D's log evidence of safety after each look: (rollouts, looks).

    `past` holds stable's counts before the first look, which choose the weights of the bets.
    """
    gains = excess_bound.below(arms.e_c, arms.e_s, arms.x_c, arms.x_s, column(ratio))
    both = (arms.e_c > 0) & (arms.e_s > 0)
    counted = np.where(both, arms.e_c, 0).cumsum(axis=-1)
    weights = informed(past, ratio, absolute)[:, None]
    return excess_bound.log_safe(gains.cumsum(axis=-2), counted, column(absolute), weights)


def informed(past: Streams, ratio: ArrayLike, absolute: ArrayLike) -> Array:
    """D's prior weights from stable's past: (rollouts, levels)."""
    exposures, bad = past.e_s.sum(axis=-1), past.x_s.sum(axis=-1)
    share = (bad + 1) / (exposures + 1)
    known = (exposures >= ENOUGH)[:, None]
    return np.where(known, excess_bound.prior(share, share, ratio, absolute), excess_bound.WEIGHTS)
