"""The dispersion of stable's pods or totals, learned from the past before the first step.

Pods are declared by the plan, or found: by a label that tells them apart. What was found before the
canary's first requests is confirmed by these, and final then: no evidence has been weighed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from analysis.counting.beyond import past_beyond
from analysis.counting.counts import EvidenceError
from analysis.counting.per_pod import PodCounts
from analysis.dispersion.dispersion import Dispersion
from rollout.decide.evidence.blindness import blindness
from rollout.decide.evidence.confirmation import (
    ENOUGH,
    can_be_confirmed,
    is_to_be_confirmed,
    list_used,
    take_back,
)
from rollout.decide.record.facts import FoundPods, Learned
from rollout.decide.state.rollout import RolloutState
from rollout.plan.model.plan import Guardrail, Plan

NO_CANARY = "the canary has no pods yet: state how many it gets, `pods: {canary: 2}`"
AWAITED = "the canary's first requests show whether it does"
NO_LIVING = "no pod of the canary has a sample"
REFUTED = "since the canary's first requests it does not tell the versions' pods apart"
OTHER_COUNTS = "the servers' own series lack a part of the bad units that callers count"

# A standard deviation of lasting differences that totals do not allow for: they do for .04 (0035),
# and few pods widen the estimate. Where one canary pod meets such differences there is no verdict.
_FOR_GOOD = 0.06
_MORE = 1.25  # times the servers' bad units that callers may count


class Past(Protocol):
    """What was read of stable's past, by guardrail; `rollout.ports.PodHistory` says what."""

    @property
    def pods(self) -> Mapping[str, PodCounts]: ...
    @property
    def problems(self) -> Mapping[str, str]: ...
    @property
    def labels(self) -> Mapping[str, str]: ...
    @property
    def awaited(self) -> Mapping[str, str]: ...
    @property
    def totals(self) -> Mapping[str, PodCounts]: ...
    @property
    def shared(self) -> Mapping[str, str]: ...


def may_learn(state: RolloutState) -> bool:
    """Return whether the past may have to be read before the rollout's evidence is weighed."""
    is_open = not state.stepped or is_to_be_confirmed(state) or bool(_list_lonely(state))
    return not state.is_terminal and (is_open or bool(list_used(state)))


def is_due(state: RolloutState, now: float) -> bool:
    """Return whether the past must be read now.

    That is before anything is routed, once every guardrail has samples, and again as long as a
    guardrail whose pods are declared or found has no valid test. Found pods are read again once
    the canary's requests confirm them, and after that as long as one canary pod allows no test; of
    others the labels alone are.
    """
    if not state.reads_past or not may_learn(state) or not _has_samples(state, now):
        return False
    if state.stepped:
        is_settled = not is_to_be_confirmed(state)
        return is_settled or can_be_confirmed(state, now)
    if state.learned is None:
        return True
    is_declared = state.plan.spec.declared_pods is not None
    return bool(state.unknown if is_declared else state.unknown.keys() & state.learned.labels)


def is_news(state: RolloutState, fact: Learned) -> bool:
    """Return whether what was learned is to be recorded.

    Found pods that are in use are not given up for a moment without an answer, or without a sample
    of the canary.
    """
    before = state.learned
    if before is None:
        return True
    if not state.stepped or before.is_confirmed:
        return fact.unknown != before.unknown
    gone = {name for name, own in fact.found_pods.items() if own.unused in {NO_LIVING, AWAITED}}
    is_read = not before.labels.keys() & (fact.problems.keys() | gone)
    return is_read and bool(before.labels or fact.labels or before.is_weighed_after)


def list_looked_at_again(state: RolloutState) -> Mapping[str, str]:
    """Return the labels by guardrail of which no more than the values is asked; empty to learn."""
    is_learning = not state.stepped or is_to_be_confirmed(state) or _list_lonely(state)
    return {} if is_learning else list_used(state)


def learn(state: RolloutState, past: Past, *, at: float, rollout: str) -> Learned:
    """Return every guardrail's dispersion, or in words why there is none."""
    used = list_looked_at_again(state)
    if used and state.learned is not None:
        shared = {name: label for name, label in used.items() if past.shared.get(name) == label}
        return take_back(state.learned, shared, at)
    guardrails = {guardrail.name: guardrail for guardrail in state.plan.spec.guardrails}
    is_declared = state.plan.spec.declared_pods is not None
    canary = canary_pods(state.plan, past.pods)
    reasons = dict(past.problems)
    if is_declared and canary == 0:
        reasons = {**dict.fromkeys(past.pods, NO_CANARY), **reasons}
    before, dispersions = state.learned, dict[str, Dispersion]()
    found_pods = {
        **_list_refuted(state, past),
        **{name: FoundPods(label=own, unused=AWAITED) for name, own in past.awaited.items()},
    }
    for name in sorted(past.pods.keys() - reasons.keys()):
        totals = past.totals.get(name, past.pods[name])
        learner = _Learner(state, guardrails[name])
        try:
            if name in past.labels:
                pods = learner.learn_found(past.pods[name], past.totals.get(name), canary)
                found_pods[name] = FoundPods(label=past.labels[name], unused=pods.unused)
                if pods.dispersion is not None:
                    dispersions[name] = pods.dispersion
                    continue
            read = past.pods[name] if is_declared else totals
            dispersions[name] = learner.estimate(read, canary if is_declared else None)
        except EvidenceError as error:
            reasons[name] = str(error)
    fact = Learned(
        rollout=rollout,
        at=at,
        dispersions=dispersions,
        problems=reasons,
        found_pods=found_pods,
        is_confirmed=state.stepped,
        is_weighed_after=before.is_weighed_after if state.stepped and before else bool(found_pods),
    )
    return _keep_final(state, fact)


def _list_refuted(state: RolloutState, past: Past) -> dict[str, FoundPods]:
    """Return the labels of before the first step that the canary's requests do not confirm."""
    before = state.learned
    if before is None or not state.stepped:
        return {}
    gone = {name: own.label for name, own in before.found_pods.items() if name not in past.problems}
    return {name: FoundPods(label=label, unused=REFUTED) for name, label in gone.items()}


def _keep_final(state: RolloutState, fact: Learned) -> Learned:
    """Return what was confirmed, but for guardrails that got the canary pod they lacked.

    Nothing was bet on those. For all others evidence has been weighed.
    """
    before = state.learned
    if before is None or not before.is_confirmed:
        return fact
    new = {
        name: fact.dispersions[name]
        for name in _list_lonely(state)
        if fact.labels.get(name) == before.labels[name] and name not in fact.unknown
    }
    dispersions = {**before.dispersions, **new}
    return before.model_copy(update={"dispersions": dispersions, "at": fact.at})


@dataclass(frozen=True)
class _Found:
    """The dispersion of pods that were found, or why it is not used."""

    dispersion: Dispersion | None = None
    unused: str = ""


@dataclass(frozen=True)
class _Learner:
    """Estimates one guardrail's dispersion."""

    state: RolloutState
    guardrail: Guardrail

    def estimate(self, past: PodCounts, canary: int | None) -> Dispersion:
        """Estimate by pods, or by totals without a number of the canary's; may raise."""
        metric = self.guardrail.metric
        if metric.edge is not None:
            past = past_beyond(past, metric.edge, metric.worse)
        test = self.state.guardrails[self.guardrail.name].test
        return test.estimate_dispersion(past, canary)

    def learn_found(self, past: PodCounts, totals: PodCounts | None, canary: int) -> _Found:
        """Estimate by pods that were found, unless they allow no test or count something else.

        One canary pod beside pods that differ for good allows no verdict, and totals none either:
        this is returned as it is.
        """
        if canary == 0:
            return _Found(unused=NO_LIVING)
        if totals is not None and self._lacks_bad_units(past, totals):
            return _Found(unused=OTHER_COUNTS)
        try:
            dispersion = self.estimate(past, canary)
        except EvidenceError as error:
            return _Found(unused=str(error))
        if dispersion.problem and dispersion.lasting**0.5 < _FOR_GOOD:
            return _Found(unused=dispersion.problem)
        return _Found(dispersion)

    def _lacks_bad_units(self, past: PodCounts, totals: PodCounts) -> bool:
        metric = self.guardrail.metric
        if metric.edge is not None:
            past, totals = (past_beyond(own, metric.edge, metric.worse) for own in (past, totals))
        ticks = min(len(past.ends), len(totals.ends))
        own, callers = (counts.counts[-ticks:, :, 1].sum() for counts in (past, totals))
        return bool(callers > _MORE * own + ENOUGH)


def canary_pods(plan: Plan, pods: Mapping[str, PodCounts]) -> int:
    """Return the number of canary pods: the plan's, else the most in any guardrail's series."""
    return plan.spec.canary_pods or max((history.canary for history in pods.values()), default=0)


def _list_lonely(state: RolloutState) -> list[str]:
    """Return the guardrails of which found pods were confirmed that allow no valid test."""
    learned = state.learned
    if learned is None or not learned.is_confirmed:
        return []
    return sorted(learned.unknown.keys() & learned.labels.keys())


def _has_samples(state: RolloutState, now: float) -> bool:
    """Return whether no guardrail is blind, but for want of a valid test of pods.

    Who only observes holds nothing back: after the plan's time of blindness the guardrails that
    have samples go on without those that have none.
    """
    silent = blindness(state, now).keys() - state.unknown.keys()
    is_late = state.clock - state.started_at > state.plan.spec.when_blind.hold
    is_enough = len(silent) < len(state.guardrails) and is_late and state.phase == "observing"
    return not silent or is_enough
