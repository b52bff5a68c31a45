"""Pasts of pods for tests, and a plan that learns from them."""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.counting.per_pod import PodCounts
from rollout.plan.model.plan import Plan
from rollout.simulate import LATENCY_EDGES, SCORE_EDGES
from rollout.simulate.behaviour import Shares
from tests.support.worlds import GOOD, plan

NAMES = ("errors", "latency", "accuracy")


def past_of(
    *,
    ticks: int = 1440,
    pods: int = 6,
    canary: int = 2,
    sd: float = 0.0,
    base: float = 0.01,
    rate: int = 50,
    seed: int = 3,
) -> dict[str, PodCounts]:
    """Stable's past by guardrail; the error rates of pods differ for good by `sd` (log-normal)."""
    dice = np.random.default_rng(seed)
    names = tuple(f"pod-{i}" for i in range(pods))
    ends = tuple(2.0 * i for i in range(ticks))
    p = base * np.exp(sd * dice.standard_normal(pods) - sd**2 / 2)
    e = dice.poisson(rate, (ticks, pods))
    errors = PodCounts(names, ends, np.stack([e, dice.binomial(e, p)], -1), (), canary)

    def shape(shares: Shares, edges: tuple[float, ...]) -> PodCounts:
        buckets = dice.multinomial(rate, shares, (ticks, pods))
        return PodCounts(names, ends, buckets, (*edges, np.inf), canary)

    latency, accuracy = shape(GOOD.latency, LATENCY_EDGES), shape(GOOD.scores, SCORE_EDGES)
    return {"errors": errors, "latency": latency, "accuracy": accuracy}


def pods_plan(pods: dict[str, Any] | None = None, **spec: Any) -> Plan:
    """The demo's plan with pods declared."""
    return plan(pods={"label": "pod", "history": "1h", **(pods or {})}, **spec)
