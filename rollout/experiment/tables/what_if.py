"""When another plan would have decided on the same record."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rollout.decide.fold import fold
from rollout.decide.record.facts import Observed, Started
from rollout.decide.rules.view import view
from rollout.decide.state.rollout import RolloutState
from rollout.errors import InputError, ReplayError
from rollout.experiment.frame import to_time
from rollout.plan.reading.files import load_single
from rollout.review.history import RecordedRollout

PlanSource = str | Path | Mapping[str, Any]
"""A plan's file, or its document."""

HARM, SAFETY = "harm is shown", "every guardrail is proven safe"
_LIMITS = ("margin", "tolerance", "limit", "slower", "above", "below", "times", "never")


@dataclass(frozen=True)
class WhatIfRow:
    """When a conclusion was reached first: by the recorded plan, and by the other one.

    Both see the same looks with the same weights: what the other plan would have made of the
    traffic is not known. None: not reached in the recorded looks.
    """

    conclusion: str
    recorded_seconds: float | None
    recorded_at: datetime | None
    seconds: float | None
    at: datetime | None
    note: str


def what_if(record: RecordedRollout, plan: Mapping[str, Any]) -> Iterator[WhatIfRow]:
    """Yield when each conclusion was reached first, by either plan.

    `plan` is a whole document. Raises InputError for a plan that the record cannot be judged by.
    """
    before = _conclude(record, None)
    after = _conclude(record, plan)
    for conclusion in (HARM, SAFETY):
        recorded, other = before.get(conclusion), after.get(conclusion)
        started = record.state.started_at
        yield WhatIfRow(
            conclusion=conclusion,
            recorded_seconds=None if recorded is None else recorded - started,
            recorded_at=None if recorded is None else to_time(recorded),
            seconds=None if other is None else other - started,
            at=None if other is None else to_time(other),
            note=_describe(recorded, other),
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
    return load_single(plan).document()


def _change(record: RecordedRollout, changes: Changes) -> dict[str, Any]:
    document: dict[str, Any] = copy.deepcopy(_find_started(record).plan)
    spec = document["spec"]
    rates = {"falseRollback": changes.false_rollback, "falsePromotion": changes.false_promotion}
    changed = {name: rate for name, rate in rates.items() if rate is not None}
    if changed:
        spec["confidence"] = {**(spec.get("confidence") or {}), **changed}
    guardrails = {guardrail["name"]: guardrail for guardrail in spec["guardrails"]}
    for name, limit in (changes.limits or {}).items():
        if name not in guardrails:
            raise InputError(
                f"the plan has no guardrail {name!r}; it has {', '.join(sorted(guardrails))}"
            )
        own = next((key for key in _LIMITS if key in guardrails[name]), None)
        if own is None:
            raise InputError(f"guardrail {name!r} has no margin, tolerance or limit to change")
        guardrails[name][own] = limit
    return document


def _find_started(record: RecordedRollout) -> Started:
    return next(entry.fact for entry in record.entries if isinstance(entry.fact, Started))


def _conclude(record: RecordedRollout, plan: Mapping[str, Any] | None) -> dict[str, float]:
    """Return when each conclusion was reached first; without a plan by the recorded one."""
    reached: dict[str, float] = {}
    for state, at in _list_looks(record, plan):
        if state.is_terminal:
            break
        judgement = view(state, at).judgement
        if judgement.harmful:
            reached.setdefault(HARM, at)
        if judgement.safe:
            reached.setdefault(SAFETY, at)
    return reached


def _list_looks(
    record: RecordedRollout, plan: Mapping[str, Any] | None
) -> Iterator[tuple[RolloutState, float]]:
    state: RolloutState | None = None
    for entry, recorded in zip(record.entries, record.states, strict=True):
        fact = entry.fact
        if plan is None:
            state = recorded
        elif isinstance(fact, Started):
            state = _begin(fact.model_copy(update={"plan": dict(plan)}), entry.seq)
        else:
            state = fold(state, fact, entry.seq)
        if isinstance(fact, Observed):
            yield state, fact.at


def _begin(fact: Started, number: int) -> RolloutState:
    try:
        return fold(None, fact, number)
    except (ReplayError, ValueError) as error:
        raise InputError(f"the record cannot be judged by this plan: {error}") from error


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
