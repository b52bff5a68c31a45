"""Defines what a rehearsal assumes of traffic and of stable's behaviour."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

from analysis.counting.beyond import Worse, is_same
from rollout.decide.record.facts import Learned
from rollout.plan.model.plan import Plan
from rollout.rehearse.past import put_in_bursts
from rollout.simulate import Behaviour, scale_of

_MOST_EDGES = 200
_SPAN = 4.0  # standard deviations on each side that the assumed latency buckets cover


@dataclass(frozen=True)
class KnownFigures:
    """Known figures of a service; None where unknown. Times in seconds, latency in ms.

    A histogram has finite edges and one more share than edges; edges may be known without shares.
    """

    rate: float | None = None
    errors: float | None = None
    fails: float | None = None
    latency: float | None = None
    sigma: float | None = None
    score: float | None = None
    score_sd: float | None = None
    labelled: float | None = None
    lag: float | None = None
    latency_edges: tuple[float, ...] | None = None
    score_edges: tuple[float, ...] | None = None
    latency_shares: tuple[float, ...] | None = None
    score_shares: tuple[float, ...] | None = None

    def over(self, other: KnownFigures) -> KnownFigures:
        """Return these figures, completed by the other's.

        The other's recorded distribution is dropped where these state another distribution or
        other buckets: its shares would not fit them.
        """
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        stated_values = {name: value for name, value in own.items() if value is not None}
        rest = {name: getattr(other, name) for name in own}
        for recorded, stated in _STATED.items():
            if not stated.isdisjoint(stated_values):
                rest[recorded] = None
        return KnownFigures(**{**rest, **stated_values})


_STATED = {
    "latency_shares": {"latency", "sigma", "latency_edges"},
    "score_shares": {"score", "score_sd", "score_edges"},
}


@dataclass(frozen=True)
class Assumptions:
    """Requests per second, stable's behaviour, and the share and lag of labels.

    `assumed` names the figures that nobody stated or measured. `learnt` is what stable's past says
    of how bad units come; None where nobody asked.
    """

    rate: float
    stable: Behaviour
    labelled: float
    lag: float
    assumed: tuple[str, ...] = ()
    learnt: Learned | None = None


ASSUMED = KnownFigures(
    rate=20.0,
    errors=0.005,
    fails=0.02,
    latency=50.0,
    sigma=0.4,
    score=0.6,
    score_sd=0.1,
    labelled=0.6,
)


def base(plan: Plan, figures: KnownFigures, learnt: Learned | None = None) -> Assumptions:
    """Complete the known figures with assumed ones, and name those that matter to the plan."""
    lags = [g.lag for g in plan.spec.guardrails if g.metric.is_judged]
    full = figures.over(replace(ASSUMED, lag=max(lags, default=0.0)))
    tolerances = _tightest_tolerances(plan)
    median, sigma, tolerance = full.latency or 50.0, full.sigma or 0.4, tolerances.get("latency")
    latency = with_edges(
        _list_edges(plan, "high"),
        full.latency_edges or latency_edges(median, sigma, tolerance or 0.1),
        full.latency_shares or (),
    )
    scores = with_edges(
        _list_edges(plan, "low"),
        full.score_edges or score_edges(tolerances.get("score") or 0.02),
        full.score_shares or (),
    )
    return Assumptions(
        rate=full.rate or 0.0,
        stable=put_in_bursts(
            plan,
            Behaviour(
                errors=full.errors or 0.0,
                fails=full.fails or 0.0,
                median_ms=median,
                sigma=sigma,
                score=full.score or 0.0,
                score_sd=full.score_sd or 0.1,
                latency_edges=latency[0],
                score_edges=scores[0],
                latency_shares=latency[1],
                score_shares=scores[1],
            ),
            learnt,
        ),
        labelled=full.labelled or 0.0,
        lag=full.lag or 0.0,
        assumed=tuple(unknown(plan, figures)),
        learnt=learnt,
    )


def latency_edges(median: float, sigma: float, tolerance: float) -> tuple[float, ...]:
    """Return edges that express a relative tolerance exactly.

    Each edge is the one before it, increased by the tolerance.
    """
    reach = min(math.ceil(_SPAN * sigma / math.log1p(tolerance)), _MOST_EDGES // 2)
    return tuple(median * (1 + tolerance) ** k for k in range(-reach, reach + 1))


def score_edges(tolerance: float) -> tuple[float, ...]:
    """Return edges that express an absolute tolerance exactly on scores from 0 to 1."""
    count = min(max(round(1 / tolerance), 2), _MOST_EDGES)
    return tuple(round(k / count, 6) for k in range(1, count + 1))


def _list_edges(plan: Plan, worse: Worse) -> list[float]:
    """Return the edges that guardrails judge by; those of times in milliseconds."""
    metrics = [g.metric for g in plan.spec.guardrails if g.metric.worse == worse]
    return [metric.edge * scale_of(metric) for metric in metrics if metric.edge is not None]


def with_edges(
    added: Iterable[float], edges: tuple[float, ...], shares: tuple[float, ...]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return finite edges with these among them, and the shares, empty where there are none.

    A bucket that is divided is so as if its values lay evenly in it.
    """
    for edge in added:
        if any(is_same(edge, other) for other in edges):
            continue
        index = bisect_left(edges, edge)
        if shares:
            low = edges[index - 1] if index else min(edge, 0.0)
            lower = (edge - low) / (edges[index] - low) if index < len(edges) else 0.5
            units = shares[index]
            divided = units * lower, units * (1 - lower)
            shares = (*shares[:index], *divided, *shares[index + 1 :])
        edges = (*edges[:index], edge, *edges[index:])
    return edges, shares


def _tightest_tolerances(plan: Plan) -> dict[str, float]:
    """Return the tightest tolerance per kind of histogram."""
    tightest: dict[str, float] = {}
    for guardrail in plan.spec.guardrails:
        if guardrail.tolerance is not None:
            kind = "latency" if guardrail.metric.worse == "high" else "score"
            tightest[kind] = min(guardrail.tolerance, tightest.get(kind, math.inf))
    return tightest


def unknown(plan: Plan, figures: KnownFigures) -> Iterable[str]:
    """Yield the unknown figures that the plan's guardrails depend on."""
    sources = [g.metric for g in plan.spec.guardrails]
    kinds = {(s.kind, not s.is_judged if s.kind == "rate" else s.worse) for s in sources}
    needed = {
        "rate": True,
        "errors": ("rate", True) in kinds,
        "fails": ("rate", False) in kinds,
        "latency": ("shape", "high") in kinds and figures.latency_shares is None,
        "sigma": ("shape", "high") in kinds and figures.latency_shares is None,
        "latency_edges": ("shape", "high") in kinds,
        "score": ("shape", "low") in kinds and figures.score_shares is None,
        "score_sd": ("shape", "low") in kinds and figures.score_shares is None,
        "score_edges": ("shape", "low") in kinds,
        "labelled": any(source.is_judged for source in sources),
    }
    return (
        name for name, is_needed in needed.items() if is_needed and getattr(figures, name) is None
    )
