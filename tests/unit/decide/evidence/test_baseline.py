"""Stable's looks before a switch and the canary's after it: one each, in their order."""

from __future__ import annotations

from dataclasses import replace

from analysis.counting.counts import Counts
from analysis.counting.cursor import Arm, Sample
from rollout.decide.evidence.baseline import baseline_complete, look_started_at, pair_with_baseline
from rollout.decide.record.split import Split
from rollout.decide.state.guardrail import GuardrailState
from rollout.decide.state.rollout import RolloutState
from tests.support.states import T0, begun, delivering

Last = dict[tuple[Arm, str], Sample]
SWITCH = {"ramp": {"blueGreen": {"before": "60s"}, "bake": "8s"}}


def at(state: RolloutState, guardrail: GuardrailState, stable: float) -> GuardrailState:
    """The guardrail with stable's newest sample at that many seconds from the start."""
    last: Last = {("stable", "a"): (T0 + stable, (1.0,))}
    return replace(guardrail, cursor=replace(guardrail.cursor, last=last))


def look(canary: int, stable: int) -> Counts:
    return Counts((canary, 0), (stable, 0))


def switched(**changes: object) -> RolloutState:
    state = delivering(begun(**SWITCH), decision=2, confirmed=Split(100))
    state = replace(state, stepped=True, first_canary_at=T0 + 70)
    return replace(state, **changes)  # type: ignore[arg-type]


def test_a_plan_that_compares_side_by_side_keeps_nothing():
    state = begun()
    guardrail = state.guardrails["errors"]
    assert pair_with_baseline(state, guardrail, look(3, 9), 0.0, T0) == (guardrail, look(3, 9))
    assert baseline_complete(state)


def test_the_first_looks_only_teach_and_the_later_ones_are_kept():
    state = begun(**SWITCH)
    guardrail = state.guardrails["errors"]
    early, counted = pair_with_baseline(state, at(state, guardrail, 4), look(1, 9), 0.0, T0)
    assert (early.baseline_looks, counted) == ((), look(0, 9))
    late, counted = pair_with_baseline(state, at(state, guardrail, 5), look(0, 9), 0.0, T0)
    assert (late.baseline_looks, counted) == ((look(0, 9),), Counts())
    assert not baseline_complete(replace(state, guardrails={**state.guardrails, "errors": late}))
    full = replace(late, baseline_looks=late.baseline_looks * 30)
    assert baseline_complete(replace(state, guardrails={**state.guardrails, "errors": full}))


def test_each_look_of_the_canary_takes_the_oldest_look_of_stable_until_none_is_left():
    state = switched()
    guardrail = replace(
        at(state, state.guardrails["errors"], 90), baseline_looks=(look(0, 5), look(0, 7))
    )
    guardrail, first = pair_with_baseline(state, guardrail, look(50, 1), 0.0, T0 + 90)
    guardrail, second = pair_with_baseline(state, guardrail, look(60, 1), 0.0, T0 + 92)
    assert (first, second) == (look(50, 5), look(60, 7)), "stragglers of stable count for nothing"
    assert guardrail.baseline_exhausted_at is None
    guardrail, nothing = pair_with_baseline(state, guardrail, look(70, 1), 0.0, T0 + 94)
    guardrail, _ = pair_with_baseline(state, guardrail, look(70, 1), 0.0, T0 + 96)
    assert (nothing, guardrail.baseline_exhausted_at) == (Counts(), T0 + 94)


def test_labels_of_stable_that_come_late_are_kept_too():
    state = switched()
    guardrail = at(state, state.guardrails["accuracy"], 75)
    assert pair_with_baseline(state, guardrail, look(0, 5), 8.0, T0)[0].baseline_looks == (
        look(0, 5),
    )
    assert pair_with_baseline(state, guardrail, look(0, 5), 4.0, T0)[0].baseline_looks == ()


def test_a_stray_request_before_the_switch_takes_no_partner():
    state = begun(**SWITCH)
    guardrail = replace(at(state, state.guardrails["errors"], 90), baseline_looks=(look(0, 5),))
    after, counted = pair_with_baseline(state, guardrail, look(1, 7), 0.0, T0)
    assert (after.baseline_looks, counted) == ((look(0, 5), look(0, 7)), Counts())


def test_after_the_switch_looks_follow_the_canarys_samples():
    state = switched()
    last: Last = {("stable", "a"): (T0 + 70, (1.0,)), ("canary", "a"): (T0 + 90, (1.0,))}
    guardrail = state.guardrails["errors"]
    guardrail = replace(guardrail, cursor=replace(guardrail.cursor, last=last))
    assert look_started_at(state, guardrail) == T0 + 90
    assert look_started_at(delivering(state, confirmed=Split(0)), guardrail) == T0 + 70
