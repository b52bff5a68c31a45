"""Traffic and stable's own behaviour: what a rehearsal starts from."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

from rollout.plan.model.plan import Plan
from rollout.simulate import Behaviour

_MOST_EDGES = 200
_SPAN = 4.0  # standard deviations on each side that assumed latency buckets resolve


@dataclass(frozen=True)
class KnownFigures:
    """What is known of a service; None where it is not. Times in seconds, latency in ms.

    Histograms are finite edges and one share more than edges; edges may be known without shares.
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
        """These figures, and the other's where these say nothing.

        A recorded distribution is dropped where these state another one, or other buckets.
        """
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        known = {name: value for name, value in own.items() if value is not None}
        rest = {name: getattr(other, name) for name in own}
        for recorded, stated in _STATED.items():
            if not stated.isdisjoint(known):
                rest[recorded] = None
        return KnownFigures(**{**rest, **known})


_STATED = {
    "latency_shares": {"latency", "sigma", "latency_edges"},
    "score_shares": {"score", "score_sd", "score_edges"},
}


@dataclass(frozen=True)
class Assumptions:
    """Traffic per second, stable's behaviour, and how labels come in."""

    rate: float
    stable: Behaviour
    labelled: float
    lag: float
    assumed: tuple[str, ...] = ()


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


def base(plan: Plan, known: KnownFigures) -> Assumptions:
    """The base of a rehearsal; what is not known is assumed, and named where it matters."""
    lags = [g.lag for g in plan.spec.guardrails if not g.source.proxy]
    full = known.over(replace(ASSUMED, lag=max(lags, default=0.0)))
    tolerances = _tolerances(plan)
    median, sigma, tolerance = full.latency or 50.0, full.sigma or 0.4, tolerances.get("latency")
    return Assumptions(
        rate=full.rate or 0.0,
        stable=Behaviour(
            errors=full.errors or 0.0,
            fails=full.fails or 0.0,
            median_ms=median,
            sigma=sigma,
            score=full.score or 0.0,
            score_sd=full.score_sd or 0.1,
            latency_edges=full.latency_edges or latency_edges(median, sigma, tolerance or 0.1),
            score_edges=full.score_edges or score_edges(tolerances.get("score") or 0.02),
            latency_shares=full.latency_shares or (),
            score_shares=full.score_shares or (),
        ),
        labelled=full.labelled or 0.0,
        lag=full.lag or 0.0,
        assumed=tuple(unknown(plan, known)),
    )


def latency_edges(median: float, sigma: float, tolerance: float) -> tuple[float, ...]:
    """Edges that resolve a relative tolerance exactly: each is that share above the last."""
    reach = min(math.ceil(_SPAN * sigma / math.log1p(tolerance)), _MOST_EDGES // 2)
    return tuple(median * (1 + tolerance) ** k for k in range(-reach, reach + 1))


def score_edges(tolerance: float) -> tuple[float, ...]:
    """Edges that resolve an absolute tolerance exactly on scores from 0 to 1."""
    count = min(max(round(1 / tolerance), 2), _MOST_EDGES)
    return tuple(round(k / count, 6) for k in range(1, count + 1))


def _tolerances(plan: Plan) -> dict[str, float]:
    """The tightest tolerance per kind of histogram."""
    found: dict[str, float] = {}
    for guardrail in plan.spec.guardrails:
        if guardrail.tolerance is not None:
            kind = "latency" if guardrail.source.worse == "high" else "score"
            found[kind] = min(guardrail.tolerance, found.get(kind, math.inf))
    return found


def unknown(plan: Plan, known: KnownFigures) -> Iterable[str]:
    """Figures that would say what is assumed, as far as the plan looks at it."""
    sources = [g.source for g in plan.spec.guardrails]
    kinds = {(s.kind, s.proxy if s.kind == "rate" else s.worse) for s in sources}
    wanted = {
        "rate": True,
        "errors": ("rate", True) in kinds,
        "fails": ("rate", False) in kinds,
        "latency": ("shape", "high") in kinds and known.latency_shares is None,
        "sigma": ("shape", "high") in kinds and known.latency_shares is None,
        "latency_edges": ("shape", "high") in kinds,
        "score": ("shape", "low") in kinds and known.score_shares is None,
        "score_sd": ("shape", "low") in kinds and known.score_shares is None,
        "score_edges": ("shape", "low") in kinds,
        "labelled": any(not source.proxy for source in sources),
    }
    return (name for name, asked in wanted.items() if asked and getattr(known, name) is None)
