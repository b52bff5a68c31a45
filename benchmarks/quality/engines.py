"""Runs our tests over many rollouts at once, as `analysis.verdict.guardrail` runs them for one.

How it works: an engine maps streams of counts, and stable's past, to its log capital after each
look; a proof maps them to the look of its proof. Arrays replace the loop over rollouts, and the
formulas are those of `analysis`.

A plan that declares its pods runs SHIPPED and SHIPPED_PROOF. Another plan runs DEFAULT and
DEFAULT_PROOF, which learn from stable's totals, and where there is no past INDEPENDENT and
INDEPENDENT_PROOF, which take requests as independent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from analysis.dispersion import tempering
from analysis.dispersion.dispersion import Dispersion
from analysis.dispersion.estimate import ExposureHistory, estimate
from analysis.dispersion.totals import estimate_totals
from analysis.log_arrays import column
from analysis.rates import excess_bound, ratio_test, robust_test
from analysis.rates.rate import AGILE, ENOUGH, FIT
from benchmarks.peers.rule import first
from benchmarks.worlds import paths
from benchmarks.worlds.draws import Array, DrawnCounts
from benchmarks.worlds.rates import History, Streams

Past = Callable[..., History]
"""Draws stable's past, one for each rollout of the streams, when an engine needs it.

It takes the number of ticks; the default is 12 h of 30 s.
"""


class Outcome(NamedTuple):
    """What an engine did in each rollout, shape (rollouts,).

    `rolled_back`: the look (from 1) of the rollback, 0 for none. `refused`: whether the plan was
    refused before it began, because no valid test exists; `reason` says why.
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
        """Return the outcome at a false-rollback rate."""
        crossed = first(self.log >= -np.log(alpha))
        return Outcome(np.where(self.refused, 0, crossed), self.refused, self.reason)


class Promise(NamedTuple):
    """The result of a proof in each rollout: its look (from 1), 0 for none; refusals."""

    proven: DrawnCounts
    refused: np.ndarray


Engine = Callable[[Streams, Past], Trace]
"""Takes streams with pods, and stable's past; the margin is ratio 1 and absolute 0."""

Proof = Callable[[Streams, Past, ArrayLike, ArrayLike, float], Promise]
"""Takes streams with pods, stable's past, the margin's ratio and absolute part, and beta.

A margin is one number, or one for each rollout.
"""

DAY = 2880
"""Ticks of stable's past from which a plan without pods learns: 24 h of 30 s."""

BRIEF = 20
"""Ticks of stable's past that production sees before the canary's first request."""


def likelihood(streams: Streams, past: Past) -> Trace:  # noqa: ARG001  # an Engine
    """Run the ratio test as `analysis.verdict.guardrail` does for independent requests."""
    log = paths.collapse_logs(harm(streams.arms()), _counts(streams))
    return Trace(log, np.zeros(len(log), dtype=bool))


def excess(
    streams: Streams, past: Past, ratio: ArrayLike, absolute: ArrayLike, beta: float
) -> Promise:
    """Run the excess bound as `analysis.verdict.guardrail` does, with a prior from a brief past."""
    e, x = (counts.sum(axis=-1) for counts in past(ticks=BRIEF))
    before = Streams(np.zeros_like(e), np.zeros_like(x), e, x)
    proven = safe(streams.arms(), before, ratio, absolute) >= -np.log(beta)
    return Promise(first(proven), np.zeros(len(proven), dtype=bool))


def robust_harm(streams: Streams, past: Past) -> Trace:
    """Run the robust test as `analysis.rates.rate` does, with a dispersion learnt from pods."""
    dispersions = learnt(streams, past)
    refused = np.array([bool(dispersion.problem) for dispersion in dispersions])
    reason = next((dispersion.problem for dispersion in dispersions if dispersion.problem), "")
    return Trace(paths.robust_logs(dispersions, _counts(streams)), refused, reason)


def totals_harm(streams: Streams, past: Past) -> Trace:
    """Run the test of harm as `analysis.rates.rate` does, with a dispersion learnt from totals."""
    logs = paths.robust_logs(learnt_totals(past), _counts(streams))
    return Trace(logs, np.zeros(len(logs), dtype=bool))


def totals_excess(
    streams: Streams, past: Past, ratio: ArrayLike, absolute: ArrayLike, beta: float
) -> Promise:
    """Run the excess bound as `analysis.rates.rate` does, with a dispersion from totals."""
    e, x = (counts.sum(axis=-1) for counts in past(ticks=BRIEF))
    before = Streams(np.zeros_like(e), np.zeros_like(x), e, x)
    proven = steady(streams, learnt_totals(past), before, ratio, absolute) >= -np.log(beta)
    return Promise(first(proven), np.zeros(len(proven), dtype=bool))


def learnt_totals(past: Past) -> list[Dispersion]:
    """Estimate each rollout's dispersion from stable's totals over 24 hours."""
    e, x = (counts.sum(axis=-1) for counts in past(ticks=DAY))
    return [estimate_totals(exposures, bad) for exposures, bad in zip(e, x, strict=True)]


def robust_excess(
    streams: Streams, past: Past, ratio: ArrayLike, absolute: ArrayLike, beta: float
) -> Promise:
    """Run the excess bound as `analysis.rates.rate` does, with a dispersion learnt from pods."""
    dispersions = learnt(streams, past)
    e, x = (counts.sum(axis=-1) for counts in past(ticks=BRIEF))
    before = Streams(np.zeros_like(e), np.zeros_like(x), e, x)
    proven = steady(streams, dispersions, before, ratio, absolute) >= -np.log(beta)
    refused = np.array([bool(dispersion.problem) for dispersion in dispersions])
    return Promise(np.where(refused, 0, first(proven)), refused)


def learnt(streams: Streams, past: Past) -> list[Dispersion]:
    """Estimate each rollout's dispersion from 12 hours of its own stable pods."""
    e, x = past()
    pods = streams.e_c.shape[-1]
    return [
        estimate(ExposureHistory(exposures, bad), pods) for exposures, bad in zip(e, x, strict=True)
    ]


def steady(
    streams: Streams,
    dispersions: list[Dispersion],
    past: Streams,
    ratio: ArrayLike,
    absolute: ArrayLike,
) -> Array:
    """Return the tempered excess bound's log evidence of safety after each look.

    A look's weight uses only what was known before the look: `baseline_rate` is updated after it.
    """
    noise, arms = paths.noises(dispersions), streams.arms()
    weights = informed(past, ratio, absolute)
    baseline_rate = (past.x_s.sum(axis=-1) + 0.5) / (past.e_s.sum(axis=-1) + 1)
    states = paths.walk(noise, _counts(streams), ratio=ratio, absolute=absolute)
    below: Array | float = 0.0
    counted, logs = np.zeros(len(baseline_rate)), []
    for e_c, x_c, e_s, x_s, state in zip(*(a.T for a in arms), states, strict=True):
        both = (e_c > 0) & (e_s > 0)
        bad = np.maximum(baseline_rate * e_s, x_s / FIT)
        n, share = tempering.expected(e_c, e_s, bad, ratio, absolute)
        unlearnt = tempering.unlearnt(noise, e_c, absolute)
        spread = tempering.inflation_at_known_n(noise, n, share, unlearnt)
        look_weight = np.where(both, 1 / spread, 0.0)
        below = below + look_weight[:, None] * paths.below(e_c, e_s, x_c, x_s, ratio)
        counted = counted + look_weight * e_c
        log_divisor = tempering.total(noise, robust_test.information(state))
        logs.append(
            excess_bound.log_safe(
                below / log_divisor[:, None], counted / log_divisor, absolute, weights
            )
        )
        baseline_rate = np.where(
            both, baseline_rate + AGILE * (x_s / np.maximum(e_s, 1) - baseline_rate), baseline_rate
        )
    return np.array(logs).T


ENGINES: dict[str, Engine] = {"R": likelihood, "robust": robust_harm, "totals": totals_harm}
SHIPPED, INDEPENDENT, DEFAULT = "robust", "R", "totals"

PROOFS: dict[str, Proof] = {"D": excess, "robust D": robust_excess, "totals D": totals_excess}
SHIPPED_PROOF, INDEPENDENT_PROOF, DEFAULT_PROOF = "robust D", "D", "totals D"


def _counts(streams: Streams) -> robust_test.ArmCounts:
    arms = streams.arms()
    return robust_test.ArmCounts(arms.e_c, arms.e_s, arms.x_c, arms.x_s)


def harm(arms: Streams, ratio: float = 1.0, absolute: float = 0.0) -> Array:
    """Return the ratio test's log e-process after each look: (rollouts, looks)."""
    gains = ratio_test.increment(
        arms.e_c, arms.e_s, arms.x_c, arms.x_s, ratio=ratio, absolute=absolute
    )
    return ratio_test.log_harm(gains.cumsum(axis=-2))


def safe(arms: Streams, past: Streams, ratio: ArrayLike = 1.0, absolute: ArrayLike = 0.0) -> Array:
    """Return the excess bound's log evidence of safety after each look: (rollouts, looks).

    `past` holds stable's counts before the first look, which choose the weights of the bets.
    """
    gains = paths.below(arms.e_c, arms.e_s, arms.x_c, arms.x_s, column(ratio))
    both = (arms.e_c > 0) & (arms.e_s > 0)
    counted = np.where(both, arms.e_c, 0).cumsum(axis=-1)
    weights = informed(past, ratio, absolute)[:, None]
    return excess_bound.log_safe(gains.cumsum(axis=-2), counted, column(absolute), weights)


def informed(past: Streams, ratio: ArrayLike, absolute: ArrayLike) -> Array:
    """Return the excess bound's prior weights from stable's past: (rollouts, levels)."""
    exposures, bad = past.e_s.sum(axis=-1), past.x_s.sum(axis=-1)
    share = (bad + 1) / (exposures + 1)
    has_enough = (exposures >= ENOUGH)[:, None]
    return np.where(
        has_enough, excess_bound.prior(share, share, ratio, absolute), excess_bound.WEIGHTS
    )
