"""Checks whether a histogram's buckets can express a guardrail's tolerance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from analysis.histograms.alternatives import HistogramTolerance
from analysis.histograms.bucket_test import boundaries
from analysis.histograms.edges import choose
from analysis.information import PAST
from rollout.decide.state.rollout import test_of
from rollout.decide.text.numbers import decimal
from rollout.plan.fields.units import percent
from rollout.plan.model.plan import Guardrail
from rollout.rehearse.finding import PlanFinding, note, warning
from rollout.simulate import Behaviour
from rollout.simulate.behaviour import Shares

_EXACT = 0.01  # share of a tolerance; a smaller loss is not reported


@dataclass(frozen=True)
class BucketResolution:
    """One version's histogram: finite edges, shares in the same order, and the tolerance rule."""

    rule: HistogramTolerance
    edges: tuple[float, ...]
    shares: Shares

    @property
    def cuts(self) -> tuple[float, ...]:
        """Return the edges on the badness scale.

        Raises ValueError if the tolerance is relative and an edge is at zero.
        """
        return boundaries(self.edges, self.rule.worse, relative=self.rule.relative)

    @property
    def unit(self) -> str:
        """Return the tolerance as users write it."""
        return percent(self.rule.tolerance) if self.rule.relative else f"{self.rule.tolerance:g}"

    def value(self, cut: float) -> float:
        """Convert a boundary from the badness scale to the histogram's own scale."""
        plain = cut if self.rule.worse == "high" else -cut
        return math.exp(plain) if self.rule.relative else plain


def buckets(guardrail: Guardrail, behaviour: Behaviour) -> BucketResolution:
    """Return one version's buckets for a histogram guardrail. Raises TypeError for a rate."""
    rule = test_of(guardrail, watches_collapse=False).tolerance
    if rule is None:
        raise TypeError(f"{guardrail.name} is a rate")
    if rule.worse == "high":
        return BucketResolution(rule, behaviour.latency_edges, behaviour.latency)
    return BucketResolution(rule, behaviour.score_edges, behaviour.scores)


def diagnosed(guardrail: Guardrail, stable: Behaviour) -> PlanFinding | None:
    """Return what is wrong with the buckets, or None.

    The check uses the edges that the guardrail itself would choose on this history.
    """
    histogram, name = buckets(guardrail, stable), guardrail.name
    try:
        cuts = histogram.cuts
    except ValueError as error:
        return warning("unusable-buckets", f"{name}: {error}", name)
    history = histogram.shares if histogram.rule.worse == "high" else histogram.shares[::-1]
    chosen = choose(np.rint(history * PAST), cuts, histogram.rule.step)
    if not chosen:
        message = (
            f"{name}: the slowest buckets are wider than {histogram.unit}: the rollout will be "
            "blind; use finer buckets or a wider tolerance"
        )
        return warning("coarse-buckets", message, name)
    worst = max(chosen, key=lambda pair: pair.slack)
    if worst.slack < _EXACT:
        return None
    edge, partner = (histogram.value(cuts[i]) for i in (worst.edge, worst.partner))
    exact = histogram.value(cuts[worst.edge] - histogram.rule.step)
    return note(
        "off-edge",
        f"{name}: no bucket edge lies {histogram.unit} from {decimal(edge)} (at {decimal(exact)}); "
        f"{decimal(partner)} is used, so proof allows only {percent(round(1 - worst.slack, 2))} "
        "of the tolerance",
        name,
    )
