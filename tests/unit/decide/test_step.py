"""The order of the rules is the policy: each is tested where another would also have spoken."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from rollout.decide.fold import fold
from rollout.decide.record.facts import Decided, HumanSaid
from rollout.decide.record.route_facts import Confirmed, Drifted, RouteFailed
from rollout.decide.record.split import Split, split_at, total_for
from rollout.decide.rules.ramp import at_last_step, held_back, next_split
from rollout.decide.rules.view import view
from rollout.decide.state.rollout import MOVES, TERMINAL, RolloutState
from rollout.decide.step import RULES, choose, step
from tests.support.states import T0, begun, delivering


def decided(action="advance", canary=5, at=T0, reasons=("nothing-harmful",)):
    return Decided(
        rollout="r", at=at, action=action, split=Split(canary), reasons=reasons, sentence="s"
    )


def build_command(command, at=T0):
    return HumanSaid(rollout="r", at=at, command=command, actor="someone")


def at_step(canary=5, **spec) -> RolloutState:
    state = fold(begun(**spec), decided(canary=canary), 2)
    state = fold(state, Confirmed(rollout="r", at=T0, decision=2, split=Split(canary)), 3)
    return replace(state, steady_at=T0, first_canary_at=T0)


def reasons(state: RolloutState, now: float) -> tuple[str, tuple[str, ...]]:
    choice = choose(view(state, now))
    return choice.action, choice.reasons


def test_nothing_is_advanced_before_every_guardrail_has_a_baseline():
    action, why = reasons(begun(), T0)
    assert action == "hold"
    assert why == ("blind:accuracy", "blind:errors", "blind:latency")


@pytest.mark.parametrize("command", ["pause", "resume", "promote", "abort"])
def test_a_rollback_under_way_is_overtaken_by_nothing(command):
    state = fold(at_step(), decided("roll back", 0), 4)
    state = fold(state, build_command(command), 5)
    assert reasons(state, T0 + 1e6) == ("hold", ("awaiting-mesh",))


def test_abort_comes_before_everything_else():
    state = fold(
        fold(at_step(), RouteFailed(rollout="r", at=T0, decision=2, problem="p", attempt=1), 4),
        build_command("abort"),
        5,
    )
    assert reasons(state, T0 + 1e6) == ("roll back", ("human:abort",))


@pytest.mark.parametrize(
    ("phase", "command", "expected"),
    [
        ("stepping", "pause", ("pause", ("human:pause",))),
        ("stepping", "resume", ("hold", ("nothing-to-resume",))),
        ("stepping", "promote", ("promote", ("human:promote",))),
        ("paused", "pause", ("hold", ("nothing-to-pause",))),
        ("paused", "resume", ("resume", ("human:resume",))),
        ("promoting", "promote", ("hold", ("nothing-to-promote",))),
    ],
)
def test_every_command_is_answered(phase, command, expected):
    state = at_step()
    if phase == "paused":
        state = fold(state, decided("pause"), 4)
    if phase == "promoting":
        state = fold(state, decided("promote", 100), 4)
    state = fold(state, build_command(command), 5)
    assert reasons(state, T0 + 1) == expected
    answer = step(state, T0 + 1, "r")
    assert answer is not None
    assert fold(state, answer, 6).asked is None, "a command is answered once"


def test_a_hold_for_the_same_reasons_is_said_once():
    state = begun()
    first = step(state, T0, "r")
    assert first is not None
    assert step(fold(state, first, 2), T0 + 1, "r") is None


def test_an_unconfirmed_change_is_not_waited_for_past_the_deadline():
    state = fold(begun(deadline="60s"), decided(), 2)
    assert reasons(state, T0 + 61)[0] == "roll back"


def test_confirmation_of_an_older_decision_is_ignored():
    state = fold(fold(begun(), decided(canary=5), 2), decided("roll back", 0), 3)
    late = fold(state, Confirmed(rollout="r", at=T0, decision=2, split=Split(5)), 4)
    assert late == state


def test_back_off_grows_and_a_rollback_is_never_far_from_its_next_attempt():
    def wait(state, attempt):
        failed = RouteFailed(
            rollout="r", at=T0, decision=state.delivery.decision, problem="p", attempt=attempt
        )
        return fold(state, failed, 9).delivery.retry_at - T0

    advancing = fold(begun(), decided(), 2)
    reverting = fold(advancing, decided("roll back", 0), 3)
    assert [wait(advancing, n) for n in (1, 2, 3, 20)] == [1.0, 2.0, 4.0, 30.0]
    assert [wait(reverting, n) for n in (1, 2, 3, 20)] == [1.0, 2.0, 4.0, 5.0]


def test_drift_is_adopted_reverted_or_paused():
    drift = Drifted(rollout="r", at=T0, seen=Split(40))
    assert reasons(fold(at_step(onDrift="pause"), drift, 4), T0) == ("pause", ("drift",))
    adopted = fold(at_step(onDrift="adopt"), drift, 4)
    assert adopted.wanted == Split(40)
    reverted = fold(at_step(onDrift="revert"), drift, 4)
    assert (reverted.wanted, reverted.delivery.status) == (Split(5), "to write")


def failed(**failure):
    return RouteFailed(rollout="r", at=T0, decision=2, problem="p", attempt=1, **failure)


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        ({"unread": True}, "to read again"),
        (
            {},
            "to write",
        ),  # it was asked and shows no weights; or an entry from before this was told
        ({"refused": True}, "refused"),
    ],
)
def test_what_was_confirmed_and_cannot_be_read_is_read_again(failure, status):
    for before in (at_step(), fold(at_step(), failed(unread=True), 4)):
        after = fold(before, failed(**failure), 5)
        assert after.delivery.status == status


@pytest.mark.parametrize("failure", [{"unread": True}, {}, {"refused": True}])
def test_what_was_never_confirmed_is_to_be_written_all_the_same(failure):
    after = fold(fold(begun(), decided(), 2), failed(**failure), 3)
    assert after.delivery.awaits(2)
    assert after.delivery.has_to_write
    rolled = fold(fold(at_step(), failed(unread=True), 4), decided("roll back", 0), 5)
    assert rolled.delivery.awaits(5)
    assert rolled.delivery.has_to_write


def test_a_canary_that_a_hand_kept_from_traffic_is_not_missed_afterwards():
    before = at_step(onDrift="adopt")
    guardrail_states = {
        name: replace(guardrail, expected=50.0) for name, guardrail in before.guardrails.items()
    }
    before = replace(before, guardrails=guardrail_states)
    for anew, left in [(True, 0.0), (False, 50.0)]:
        after = fold(before, Drifted(rollout="r", at=T0, seen=Split(40), anew=anew), 4)
        assert {guardrail.expected for guardrail in after.guardrails.values()} == {left}


def test_every_phase_has_an_exit_and_terminal_ones_have_none():
    phases = {before for before, _ in MOVES} | set(MOVES.values())
    for phase in phases - TERMINAL:
        assert any(before == phase for before, _ in MOVES)
    left = {(before, event) for before, event in MOVES if before in TERMINAL}
    assert left == {("promoted", "undo")}, "by a person's word alone"
    reached = {"waiting", "observing"}
    for _ in phases:
        reached |= {after for (before, _), after in MOVES.items() if before in reached}
    assert reached == phases


def test_a_holdback_lowers_no_weight_that_a_hand_raised():
    spec = {"share": "5%", "lasts": "1h"}
    raised = [at_step(canary, holdback=spec) for canary in (50, 97, 100)]
    assert [held_back(state) for state in raised] == [Split(95), Split(97), None]


def test_the_last_rule_always_chooses():
    assert all(callable(rule) for rule in RULES)
    assert RULES[-1](view(begun(), T0)) is not None


def test_a_ladder_is_climbed_rung_by_rung():
    state = begun(ramp={"steps": ["0.1%", "5%", "50%"], "bake": "1s"})
    climbed = []
    while (split := next_split(state)) is not None:
        climbed.append(split)
        state = delivering(state, wanted=split)
    assert climbed == [Split(10, 10_000), Split(500, 10_000), Split(5000, 10_000)]
    assert at_last_step(state)


def test_a_paced_ramp_starts_small_and_never_falls():
    state = begun(ramp={"harmBudget": 10, "min": "1%", "max": "50%", "bake": "1s"})
    assert next_split(state) == Split(100, 10_000)
    state = replace(delivering(state, wanted=Split(2500, 10_000)), requests_per_look=200.0)
    assert next_split(state) is None, "without data the worst is credible: 10 of 200 is 5 %"


def test_totals_and_splits():
    assert total_for([0.05, 0.5]) == 100
    assert total_for([0.001]) == 10_000
    assert split_at(0.001, 10_000) == Split(10, 10_000)
    assert split_at(0.000_01, 10_000) == Split(1, 10_000), "a positive share never becomes nothing"
    for canary, total in itertools.product((-1, 101), (100,)):
        with pytest.raises(ValueError, match="no split"):
            Split(canary, total)
