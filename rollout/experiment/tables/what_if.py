"""When another plan would have decided on the same record."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from rollout.decide.evidence.goals import conclude_goals
from rollout.decide.fold import fold
from rollout.decide.record.base import describe_first
from rollout.decide.record.facts import Observed, Started
from rollout.decide.rules.view import view
from rollout.decide.state.rollout import RolloutState, begin_rollout
from rollout.decide.text.numbers import join
from rollout.errors import InputError
from rollout.experiment.frame import to_time
from rollout.experiment.plan_source import PlanSource, read_plan
from rollout.experiment.tables.uplift import BETTER, WORSE
from rollout.plan.fields.metric import DeclaredMetric
from rollout.plan.model.guardrail import Guardrail
from rollout.plan.model.plan import Plan
from rollout.review.history import RecordedRollout

HARM, SAFETY = "harm is shown", "every guardrail is proven safe"
_LIMITS = ("margin", "tolerance", "limit", "slower", "above", "below", "times", "never")


@dataclass(frozen=True)
class WhatIfRow:
    """When a conclusion was reached first: by the recorded plan, and by the other one.

    Conclusions are harm, proof that all is safe, and those of each plan's goals.

    Both see the same looks with the same weights: what the other plan would have made of the
    traffic is not known. None: not reached in the recorded looks.
    """

    conclusion: str
    recorded_seconds: float | None
    recorded_at: datetime | None
    seconds: float | None
    at: datetime | None
    note: str


@dataclass(frozen=True)
class _Course:
    """What one plan asks of the record, and when each answer was reached.

    Each question has the texts of what it lacks: guardrails and segments that were not counted.
    """

    asked: Mapping[str, list[str]]
    reached: Mapping[str, float]


def what_if(record: RecordedRollout, plan: Mapping[str, Any]) -> Iterator[WhatIfRow]:
    """Yield when each conclusion was reached first, by either plan; those of goals come last.

    `plan` is a whole document. Raises InputError for a plan that the record cannot be judged by:
    one of other versions, or with a guardrail that reads another metric than the recorded one.
    """
    before, after = _conclude(record, None), _conclude(record, plan)
    both = (("the recorded plan", before), ("the other plan", after))
    started = record.state.started_at
    for conclusion in dict.fromkeys((*before.asked, *after.asked)):
        recorded, other = before.reached.get(conclusion), after.reached.get(conclusion)
        notes = [_describe(recorded, other)]
        if other is None and (lacking := after.asked.get(conclusion)):
            notes.append(f"the record has no counts of {join(lacking)}")
        whose = [f"no goal of {own}" for own, course in both if conclusion not in course.asked]
        yield WhatIfRow(
            conclusion=conclusion,
            recorded_seconds=None if recorded is None else recorded - started,
            recorded_at=None if recorded is None else to_time(recorded),
            seconds=None if other is None else other - started,
            at=None if other is None else to_time(other),
            note="; ".join([*whose, *notes[1:]] if whose else notes),
        )


@dataclass(frozen=True)
class Changes:
    """What is to be different: error rates, and limits of guardrails by name."""

    false_rollback: float | None = None
    false_promotion: float | None = None
    limits: Mapping[str, Any] | None = None


def choose_plan(
    record: RecordedRollout, changes: Changes, plan: PlanSource | None
) -> Mapping[str, Any]:
    """Return the other plan's document: that of a file, one as it is, or the recorded one changed.

    Raises InputError for a whole plan beside changes, for a file without a single plan, and for a
    guardrail that the recorded plan lacks.
    """
    if plan is None:
        return _change(record, changes)
    if changes != Changes():
        raise InputError("give either a whole plan, or changes of the recorded one")
    if isinstance(plan, Mapping):
        return plan
    return read_plan(plan).document()


def _change(record: RecordedRollout, changes: Changes) -> dict[str, Any]:
    document: dict[str, Any] = copy.deepcopy(_find_started(record).plan)
    spec = document["spec"]
    rates = {"falseRollback": changes.false_rollback, "falsePromotion": changes.false_promotion}
    changed = {name: rate for name, rate in rates.items() if rate is not None}
    if changed:
        spec["confidence"] = {**(spec.get("confidence") or {}), **changed}
    guardrails = {guardrail["name"]: guardrail for guardrail in spec["guardrails"]}
    for name, limit in _check_limits(changes.limits).items():
        if name not in guardrails:
            raise InputError(
                f"the plan has no guardrail {name!r}; it has {', '.join(sorted(guardrails))}"
            )
        own = next((key for key in _LIMITS if key in guardrails[name]), None)
        if own is None:
            raise InputError(f"guardrail {name!r} has no margin, tolerance or limit to change")
        guardrails[name][own] = _widen(guardrails[name][own], limit)
    return document


def _check_limits(limits: Any) -> Mapping[str, Any]:
    if limits is not None and not isinstance(limits, Mapping):
        raise InputError("margins are limits by guardrail, such as {'errors': '2%'}")
    return limits or {}


def _widen(recorded: Any, limit: Any) -> Any:
    """Return a limit in the plan's form: of a form with several fields, a number changes its own.

    A margin's is `absolute`, and that of the share beyond an edge is its margin's or its limit.
    """
    if isinstance(limit, Mapping) or not isinstance(recorded, Mapping):
        return limit
    own = next((key for key in ("margin", "limit", "count") if recorded.get(key)), "absolute")
    return {**recorded, own: _widen(recorded.get(own), limit)}


def _find_started(record: RecordedRollout) -> Started:
    return next(entry.fact for entry in record.entries if isinstance(entry.fact, Started))


def _conclude(record: RecordedRollout, plan: Mapping[str, Any] | None) -> _Course:
    """Return when each conclusion was reached first; without a plan by the recorded one."""
    first = record.states[0] if plan is None else _begin_by(record, plan)
    reached: dict[str, float] = {}
    for state, at in _list_looks(record, None if plan is None else first):
        if state.is_terminal:
            break
        judgement = view(state, at).judgement
        if judgement.harmful:
            reached.setdefault(HARM, at)
        if judgement.safe:
            reached.setdefault(SAFETY, at)
        for name, result in conclude_goals(state).items():
            reached.setdefault(f"{name} is {result.conclusion}", at)
    return _Course(_list_questions(record.state.plan, first), reached)


def _list_questions(recorded: Plan, first: RolloutState) -> dict[str, list[str]]:
    """List what a plan asks, each with what the record does not count of it.

    A promotion waits for no segment, so that proof lacks none.
    """
    spec = first.plan.spec
    whole = _find_gaps(recorded, spec.guardrails)
    parts = [s.guardrail for s in spec.segment_guardrails if s.of not in whole]
    questions = {
        HARM: [*whole.values(), *_find_gaps(recorded, parts).values()],
        SAFETY: [*whole.values()],
    }
    for name in first.goals:
        for conclusion in (BETTER, WORSE):
            questions[f"{name} is {conclusion}"] = [whole[name]] if name in whole else []
    return questions


def _list_looks(
    record: RecordedRollout, first: RolloutState | None
) -> Iterator[tuple[RolloutState, float]]:
    """Yield the state after each look; with a first state all are folded from it."""
    state = first
    for entry, recorded in zip(record.entries, record.states, strict=True):
        if first is None:
            state = recorded
        elif not isinstance(entry.fact, Started):
            state = fold(state, entry.fact, entry.seq)
        if isinstance(entry.fact, Observed) and state is not None:
            yield state, entry.fact.at


def _begin_by(record: RecordedRollout, plan: Mapping[str, Any]) -> RolloutState:
    """Return the first state by another plan. Raises InputError where it asks something else."""
    state = _begin(_find_started(record).model_copy(update={"plan": dict(plan)}))
    recorded, other = record.state.plan.spec, state.plan.spec
    subjects = [
        f"{spec.service} from {spec.stable.version} to {spec.canary.version}"
        for spec in (recorded, other)
    ]
    if subjects[0] != subjects[1]:
        raise InputError(f"the record is of {subjects[0]}, and this plan is of {subjects[1]}")
    metrics = {guardrail.name: _find_counted(guardrail) for guardrail in recorded.guardrails}
    for guardrail in other.guardrails:
        counted = _find_counted(guardrail)
        if metrics.get(guardrail.name, counted) != counted:
            raise InputError(
                f"guardrail {guardrail.name!r} reads another metric in this plan, of which the "
                "record has no counts"
            )
    return state


def _find_gaps(recorded: Plan, guardrails: Iterable[Guardrail]) -> dict[str, str]:
    """Return the guardrails that the record does not count, in words.

    One that it counts under another name is told with that name.
    """
    spec, gaps = recorded.spec, {}
    counted_ones = [*spec.guardrails, *(segment.guardrail for segment in spec.segment_guardrails)]
    names = {guardrail.name: _find_counted(guardrail) for guardrail in counted_ones}
    for guardrail in guardrails:
        if (name := guardrail.name) not in names:
            counted = _find_counted(guardrail)
            twin = next((other for other, own in names.items() if own == counted), None)
            gaps[name] = f"{name} (it counts the same as {twin})" if twin else name
    return gaps


def _find_counted(guardrail: Guardrail) -> DeclaredMetric:
    """Return what is counted of a metric, whatever is asked of the counts."""
    return replace(guardrail.metric, edge=None, needs_stable=True, human=None)


def _begin(fact: Started) -> RolloutState:
    try:
        return begin_rollout(fact)
    except ValueError as error:
        problem = describe_first(error) if isinstance(error, ValidationError) else str(error)
        raise InputError(f"the record cannot be judged by this plan: {problem}") from error


def _describe(recorded: float | None, other: float | None) -> str:
    if recorded is None and other is None:
        return "neither reaches it in the recorded looks"
    if recorded is None:
        return "only the other plan reaches it"
    if other is None:
        return "only the recorded plan reaches it"
    if recorded == other:
        return "both at the same look"
    return "the other plan earlier" if other < recorded else "the other plan later"
