"""Summarises many runs of a world as operating characteristics."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from analysis.dispersion.estimate import Dispersion
from rollout.plan.model.plan import Guardrail, Plan
from rollout.rehearse.assumptions import Assumptions
from rollout.rehearse.finding import PlanFinding
from rollout.rehearse.runs import OUTCOMES, Outcome, Run
from rollout.rehearse.scenario import BETTER, SAME, Scenario, bad_shares
from rollout.simulate import Behaviour

_TAIL = 0.05  # share of stable's units, its worst twentieth, that counts as bad for a histogram


@dataclass(frozen=True)
class ScenarioResult:
    """One world's operating characteristics.

    `harmful`: guardrails whose margin or tolerance the canary breaks here; empty where promotion
    is right. `outcomes`: shares of the runs; `errors`: their standard errors. `seconds` from start
    to decision: quantiles .1, .5, .9 over all runs. `excess_bad`: by guardrail, the canary's
    expected bad requests until the decision, minus those of stable at the same exposures; a
    histogram's bad requests are those in stable's worst twentieth. `reasons`: number of runs by
    the last decision's reasons.
    """

    name: str
    harmful: tuple[str, ...]
    outcomes: Mapping[Outcome, float]
    errors: Mapping[Outcome, float]
    seconds: tuple[float, float, float]
    canary_requests: float
    excess_bad: Mapping[str, float]
    reasons: Mapping[str, int]


@dataclass(frozen=True)
class Rehearsal:
    """A plan's operating characteristics in every world, and the findings about it."""

    plan: str
    rollout: str
    runs: int
    seed: int
    read_from: str
    base: Assumptions
    worlds: tuple[ScenarioResult, ...]
    remarks: tuple[PlanFinding, ...]
    has_experiment: bool = False

    def world(self, name: str) -> ScenarioResult:
        return next(world for world in self.worlds if world.name == name)

    @property
    def decides(self) -> bool:
        """Return whether a canary is promoted in at least half of its runs that should be.

        It is one that changes nothing, and in an experiment one that is better at the goals.
        """
        expected = self.world(BETTER if self.has_experiment else SAME.name)
        return expected.outcomes["promoted"] >= 0.5

    def as_json(self) -> dict[str, Any]:
        """Return the document of `rehearse --json`; its keys do not change between releases."""
        document = asdict(replace(self, base=replace(self.base, learnt=None)))
        document["base"] = _export_base(self.base)
        return {**document, "decides": self.decides}


def summarise(
    plan: Plan, base: Assumptions, change: Scenario, runs: Sequence[Run]
) -> ScenarioResult:
    """Summarise the runs of one world."""
    outcomes = Counter(run.outcome for run in runs)
    shares = {outcome: outcomes[outcome] / len(runs) for outcome in OUTCOMES}
    requests = sum(run.canary_requests for run in runs) / len(runs)
    low, middle, high = np.quantile([run.seconds for run in runs], [0.1, 0.5, 0.9])
    canary = change.of(base.stable)
    return ScenarioResult(
        name=change.name,
        harmful=tuple(g.name for g in plan.spec.guardrails if change.breaks(g, base.stable)),
        outcomes=shares,
        errors={name: _compute_standard_error(share, len(runs)) for name, share in shares.items()},
        seconds=(float(low), float(middle), float(high)),
        canary_requests=requests,
        excess_bad={
            g.name: requests
            * (
                _compute_bad_share(g, canary, base.stable)
                - _compute_bad_share(g, base.stable, base.stable)
            )
            for g in plan.spec.guardrails
        },
        reasons=dict(Counter(", ".join(run.reasons) for run in runs).most_common()),
    )


def _compute_standard_error(share: float, runs: int) -> float:
    """Return the standard error of a share with the Agresti-Coull correction.

    The correction adds two successes and two failures, so that 0 of 50 has an error above zero.
    Source: Agresti & Coull, American Statistician 52 (1998).
    """
    centre = (share * runs + 2) / (runs + 4)
    return math.sqrt(centre * (1 - centre) / (runs + 4))


def _compute_bad_share(guardrail: Guardrail, behaviour: Behaviour, stable: Behaviour) -> float:
    """Return the share of bad requests; for a histogram, beyond stable's 95 % quantile."""
    if guardrail.metric.kind != "shape" or guardrail.metric.has_bad_units:
        return bad_shares(guardrail, behaviour)
    high = guardrail.metric.worse == "high"
    ours, theirs = (
        (version.latency if high else version.scores[::-1]) for version in (behaviour, stable)
    )
    edge = int(np.searchsorted(theirs.cumsum(), 1 - _TAIL))
    return float(ours[edge + 1 :].sum())


def _list_dispersions(base: Assumptions) -> Mapping[str, Dispersion]:
    return base.learnt.dispersions if base.learnt else {}


def _export_base(base: Assumptions) -> dict[str, Any]:
    stable = base.stable
    recorded = {"latency": bool(stable.latency_shares), "score": bool(stable.score_shares)}
    return {
        "rate": base.rate,
        "labelled": base.labelled,
        "lag": base.lag,
        "errors": stable.errors,
        "fails": stable.fails,
        "latency": None if recorded["latency"] else [stable.median_ms, stable.sigma],
        "score": None if recorded["score"] else [stable.score, stable.score_sd],
        "latency_edges": list(stable.latency_edges),
        "score_edges": list(stable.score_edges),
        "latency_shares": list(stable.latency_shares) or None,
        "score_shares": list(stable.score_shares) or None,
        "assumed": list(base.assumed),
        "learnt": {name: asdict(own) for name, own in _list_dispersions(base).items()} or None,
    }
