"""Defines worlds: how the canary differs from stable (more errors, slower, lower scores)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

import numpy as np

from analysis.counting.beyond import find_edge
from analysis.counting.counts import EvidenceError
from analysis.histograms.bucket_test import boundaries, shift_matrix
from rollout.errors import InputError
from rollout.plan.fields.units import share
from rollout.plan.model.plan import Guardrail, Plan
from rollout.simulate import Behaviour, scale_of
from rollout.simulate.behaviour import Shares

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?$")
_EXACT = 1e-9
GRAMMAR = (
    "write NAME:CHANGE,... with errors=3x | errors=+1% | errors=4% (also `fails`), "
    "latency=+50% | latency=1.5x, score=-0.05, crash"
)


@dataclass(frozen=True)
class Rate:
    """A change of a bad share: multiplied by `times`, then increased by `plus`."""

    times: float = 1.0
    plus: float = 0.0

    def of(self, bad: float) -> float:
        """Return the changed share, 0 to 1."""
        return min(max(bad * self.times + self.plus, 0.0), 1.0)


@dataclass(frozen=True)
class Scenario:
    """How the canary differs from stable in the world `name`; by default in nothing."""

    name: str
    errors: Rate = Rate()
    fails: Rate = Rate()
    latency: float = 1.0
    score: float = 0.0

    def of(self, stable: Behaviour) -> Behaviour:
        """Return the canary's behaviour for this behaviour of stable."""
        return replace(
            stable,
            errors=self.errors.of(stable.errors),
            fails=self.fails.of(stable.fails),
            median_ms=stable.median_ms * self.latency,
            latency_shares=_slow_down(stable, self.latency),
            score=stable.score + self.score,
            score_shares=_lower_scores(stable, -self.score),
        )

    def touches(self, guardrail: Guardrail) -> bool:
        """Return whether this guardrail's metric differs in this world."""
        source = guardrail.metric
        if not guardrail.has_past:
            return False
        if source.kind == "rate":
            return (self.fails if source.is_judged else self.errors) != Rate()
        return self.latency != 1.0 if source.worse == "high" else self.score != 0.0

    def breaks(self, guardrail: Guardrail, stable: Behaviour) -> bool:
        """Return whether the canary is worse than this guardrail allows."""
        source, canary = guardrail.metric, self.of(stable)
        if (margin := guardrail.bad_margin) is not None:
            before, after = (bad_shares(guardrail, behaviour) for behaviour in (stable, canary))
            before *= guardrail.metric.needs_stable
            return after > margin.ratio * before + margin.absolute + _EXACT
        if not guardrail.has_past:
            return False
        allowed = guardrail.tolerance or 0.0
        if source.worse == "high":
            return self.latency > 1 + allowed + _EXACT
        return -self.score > allowed + _EXACT


def bad_shares(guardrail: Guardrail, behaviour: Behaviour) -> float:
    """Return the share of bad units that a guardrail counts, 0 where no bucket ends at its edge."""
    metric = guardrail.metric
    if not guardrail.has_past:
        return 0.0
    if metric.edge is None:
        return behaviour.fails if metric.is_judged else behaviour.errors
    edges, shares = value_buckets(guardrail, behaviour)
    try:
        index = find_edge(edges, metric.edge)
    except EvidenceError:
        return 0.0
    at_most = float(shares[: index + 1].sum())
    return at_most if metric.worse == "low" else float(shares.sum()) - at_most


def value_buckets(guardrail: Guardrail, behaviour: Behaviour) -> tuple[tuple[float, ...], Shares]:
    """Return the finite edges of a histogram in its own unit, and the shares of its buckets."""
    metric = guardrail.metric
    if metric.worse == "low":
        return behaviour.score_edges, behaviour.scores
    scale = scale_of(metric)
    return tuple(edge / scale for edge in behaviour.latency_edges), behaviour.latency


def _slow_down(stable: Behaviour, factor: float) -> tuple[float, ...]:
    edges = stable.latency_edges
    if not stable.latency_shares or factor == 1.0 or min(edges) <= 0:
        return stable.latency_shares
    cuts = boundaries(edges, "high", relative=True)
    return tuple(map(float, stable.latency @ shift_matrix(cuts, math.log(factor))))


def _lower_scores(stable: Behaviour, drop: float) -> tuple[float, ...]:
    if not stable.score_shares or drop == 0.0:
        return stable.score_shares
    cuts = boundaries(stable.score_edges, "low", relative=False)
    moved = stable.scores[::-1] @ shift_matrix(cuts, drop)
    return tuple(map(float, np.asarray(moved)[::-1]))


SAME = Scenario("same")
"""The world in which the canary changes nothing; the exit code says if it is promoted there."""

BETTER = "better"
"""The world in which the canary is better at every goal: half as many failures, say."""


def usual_scenarios(plan: Plan) -> list[Scenario]:
    """Return the default worlds, without those that no guardrail of the plan can notice."""
    worlds = [
        Scenario("2x errors", errors=Rate(2.0)),
        Scenario("2x fails", fails=Rate(2.0)),
        Scenario("+20 % latency", latency=1.2),
        Scenario("-0.03 score", score=-0.03),
    ]
    guarded = [c for c in worlds if any(c.touches(g) for g in plan.spec.guardrails)]
    return [SAME, *_list_better(plan), *guarded]


def _list_better(plan: Plan) -> list[Scenario]:
    """Return the world in which the canary is better at the plan's goals; none without goals."""
    names = {goal.guardrail for goal in plan.spec.goals or ()}
    goals = [guardrail for guardrail in plan.spec.guardrails if guardrail.name in names]
    gains = [
        Scenario(BETTER, errors=Rate(0.5)),
        Scenario(BETTER, fails=Rate(0.5)),
        Scenario(BETTER, latency=0.8),
        Scenario(BETTER, score=0.03),
    ]
    touched = [gain for gain in gains if any(gain.touches(goal) for goal in goals)]
    if not touched:
        return []
    changes = {key: value for gain in touched for key, value in vars(gain).items() if
               value != getattr(SAME, key)}  # fmt: skip
    return [replace(Scenario(BETTER), **changes)]


def parse(text: str) -> Scenario:
    """Parse a world from its text, like `bad:errors=3x,score=-0.05`. Raises InputError."""
    name, colon, rest = text.partition(":")
    change = Scenario(name.strip())
    if not colon or not change.name:
        raise InputError(f"--world {text!r} has no name: {GRAMMAR}")
    if change.name == SAME.name:
        raise InputError(
            f"--world {text!r}: the world `{SAME.name}` changes nothing, choose another name"
        )
    for word in rest.split(","):
        change = _apply_change(change, word.strip(), text)
    return change


def _apply_change(change: Scenario, word: str, text: str) -> Scenario:
    key, _, value = (side.strip() for side in word.partition("="))
    try:
        if word == "crash":
            return replace(change, errors=Rate(0.0, 1.0))
        if key == "errors":
            return replace(change, errors=_parse_rate(value))
        if key == "fails":
            return replace(change, fails=_parse_rate(value))
        if key == "latency":
            return replace(change, latency=_parse_factor(value))
        if key == "score":
            return replace(change, score=_parse_number(value))
    except ValueError:
        raise InputError(f"--world {text!r}: cannot read {word!r}: {GRAMMAR}") from None
    raise InputError(f"--world {text!r}: {key!r} is unknown: {GRAMMAR}")


def _parse_rate(value: str) -> Rate:
    """Parse `3x` (three times), `+1%` (one percentage point more) or `4%` (exactly that)."""
    if value.endswith("x"):
        return Rate(_parse_positive(value[:-1]))
    if value[:1] in {"+", "-"}:
        return Rate(1.0, math.copysign(share(value[1:]), -1 if value[0] == "-" else 1))
    exact = share(value)
    if exact > 1:
        raise ValueError("a share is at most 100 %")
    return Rate(0.0, exact)


def _parse_factor(value: str) -> float:
    """Parse `1.5x` or `+50%`."""
    if value.endswith("x"):
        return _parse_positive(value[:-1])
    if value[:1] not in {"+", "-"}:
        raise ValueError("a change of latency has a sign")
    change = share(value[1:])
    return _require_positive(1 + change if value[0] == "+" else 1 - change)


def _parse_positive(value: str) -> float:
    return _require_positive(_parse_number(value))


def _require_positive(number: float) -> float:
    if number <= 0:
        raise ValueError("not above zero")
    return number


def _parse_number(value: str) -> float:
    if not _NUMBER.match(value):
        raise ValueError("no number")
    return float(value)
