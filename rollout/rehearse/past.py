"""What stable's past says of how bad units come, learnt as a rollout learns it before its start."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from analysis.dispersion.dispersion import Dispersion
from rollout.decide.evidence import pod_history
from rollout.decide.fold import fold_all
from rollout.decide.record.facts import Fact, Learned
from rollout.decide.state.rollout import RolloutState
from rollout.plan.model.plan import Guardrail, Plan
from rollout.ports import Answer, Ask, HistorySource, Observer, PodHistory
from rollout.simulate import Behaviour, SimulatedService
from rollout.tick.attempts import started
from rollout.tick.controller import Controller


@dataclass(frozen=True)
class ServiceWithPast:
    """A simulated service whose past is known already: nothing else is found when it is asked."""

    service: SimulatedService
    learnt: Learned

    def observe(self, asks: Sequence[Ask], now: float) -> Mapping[str, Answer]:
        """See rollout.ports.Observer."""
        return self.service.observe(asks, now)

    def history(self, _ask: Ask, _now: float) -> PodHistory:
        """See rollout.ports.HistorySource: why there is no valid test, as before."""
        return PodHistory(problems=self.learnt.unknown)


MOST_LOOKS = 2880
"""Looks of a rehearsed rollout at most, until its deadline: a day of looks of 30 s."""


def space_looks(plan: Plan) -> Plan:
    """Return the plan with looks so far apart that few enough of them lead to its deadline.

    Dispersion is per look, so looks cannot be left out; of fewer ones another one is learnt.
    """
    spec = plan.spec
    times = math.ceil(spec.deadline / spec.interval / MOST_LOOKS)
    if times <= 1 or spec.before is not None:
        return plan
    apart = spec.model_copy(update={"interval": spec.interval * times})
    return plan.model_copy(update={"spec": apart})


def learn_past(plan: Plan, observer: Observer, now: float) -> Learned | None:
    """Read stable's past and learn from it; None where the observer has none to read.

    A client's pod cannot be told from a server's before the canary has requests: pods that ask for
    that are not in use, and the totals tell.
    """
    state = start_in_memory(plan)
    if not isinstance(observer, HistorySource) or not state.reads_past:
        return None
    past = observer.history(Ask(plan.id, plan, {}, finds_pods=state.finds_pods), now)
    return pod_history.learn(state, past, at=now, rollout=plan.id)


def start_in_memory(plan: Plan, learnt: Learned | None = None) -> RolloutState:
    """Return the state of a rollout that has just begun, and has learnt this of the past."""
    begun = started(plan, at=0.0, controller="rehearsal", uncalibrated=True, can_read_past=True)
    facts: list[Fact] = (
        [begun] if learnt is None else [begun, learnt.model_copy(update={"rollout": plan.id})]
    )
    return fold_all(enumerate(facts, 1))


def note_past(controller: Controller, rollout: str, learnt: Learned | None, at: float) -> None:
    """Record what was learnt of the past, as final."""
    if learnt is not None:
        update = {"rollout": rollout, "at": at, "is_confirmed": True}
        controller.note(learnt.model_copy(update=update))


def find_dispersion(learnt: Learned | None, name: str) -> Dispersion | None:
    """Return what a guardrail's test allows for; None where it takes requests as independent."""
    if learnt is None or name in learnt.unknown:
        return None
    return learnt.dispersions.get(name)


def put_in_bursts(plan: Plan, stable: Behaviour, learnt: Learned | None) -> Behaviour:
    """Return stable's behaviour with bad units that come in bursts as large as in the past."""

    def find_burst(*, is_judged: bool) -> float:
        of_kind = (g for g in plan.spec.guardrails if _counts_failures(g, is_judged=is_judged))
        dispersions = (find_dispersion(learnt, guardrail.name) for guardrail in of_kind)
        return max((own.cluster for own in dispersions if own), default=1.0)

    return replace(
        stable,
        error_burst=find_burst(is_judged=False),
        fail_burst=find_burst(is_judged=True),
    )


def _counts_failures(guardrail: Guardrail, *, is_judged: bool) -> bool:
    return guardrail.metric.kind == "rate" and guardrail.metric.is_judged == is_judged
