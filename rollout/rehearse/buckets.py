"""Whether a histogram's buckets can express a tolerance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from analysis.histograms.alternatives import HistogramTolerance
from analysis.histograms.bucket_test import boundaries
from analysis.histograms.edges import choose
from analysis.information import PAST
from rollout.decide.state.rollout import rule_of
from rollout.plan.fields.units import percent
from rollout.plan.model.plan import Guardrail
from rollout.rehearse.finding import PlanFinding, note, warning
from rollout.simulate import Behaviour
from rollout.simulate.behaviour import Shares

_EXACT = 0.01  # part of a tolerance that is not worth a word


@dataclass(frozen=True)
class Buckets:
    """One histogram of one version: finite edges and shares in their order, and its rule."""

    rule: HistogramTolerance
    edges: tuple[float, ...]
    shares: Shares

    @property
    def cuts(self) -> tuple[float, ...]:
        """The edges as badness. Raises ValueError: a relative tolerance with an edge at zero."""
        return boundaries(self.edges, self.rule.worse, relative=self.rule.relative)

    @property
    def unit(self) -> str:
        """The tolerance as people write it."""
        return percent(self.rule.tolerance) if self.rule.relative else f"{self.rule.tolerance:g}"

    def value(self, cut: float) -> float:
        """A boundary on the histogram's own scale."""
        plain = cut if self.rule.worse == "high" else -cut
        return math.exp(plain) if self.rule.relative else plain


def buckets(guardrail: Guardrail, behaviour: Behaviour) -> Buckets:
    """A shape guardrail's buckets of one version. Raises TypeError for a rate."""
    rule = rule_of(guardrail)
    if not isinstance(rule, HistogramTolerance):
        raise TypeError(f"{guardrail.name} is a rate")
    if rule.worse == "high":
        return Buckets(rule, behaviour.latency_edges, behaviour.latency)
    return Buckets(rule, behaviour.score_edges, behaviour.scores)


def diagnosed(guardrail: Guardrail, stable: Behaviour) -> PlanFinding | None:
    """What is wrong with the buckets, by the edges that the guard would choose; None if nothing."""
    seen, name = buckets(guardrail, stable), guardrail.name
    try:
        cuts = seen.cuts
    except ValueError as error:
        return warning("unusable-buckets", f"{name}: {error}", name)
    history = seen.shares if seen.rule.worse == "high" else seen.shares[::-1]
    chosen = choose(np.rint(history * PAST), cuts, seen.rule.step)
    if not chosen:
        said = (
            f"{name}: no bucket edge in the tail has another within {seen.unit}: the rollout will "
            "be blind; use finer buckets or a wider tolerance"
        )
        return warning("coarse-buckets", said, name)
    worst = max(chosen, key=lambda pair: pair.slack)
    if worst.slack < _EXACT:
        return None
    edge, partner = (seen.value(cuts[i]) for i in (worst.edge, worst.partner))
    exact = seen.value(cuts[worst.edge] - seen.rule.step)
    return note(
        "off-edge",
        f"{name}: no bucket edge lies {seen.unit} from {edge:.4g} (at {exact:.4g}); {partner:.4g} "
        f"is used, so proof allows only {percent(round(1 - worst.slack, 2))} of the tolerance",
        name,
    )
