"""Every write is exactly one record's, and two writers never take turns without end."""

from __future__ import annotations

import pytest

from analysis.fast_replace import replace
from rollout.decide.record.facts import Decided
from rollout.decide.record.split import Split
from rollout.ports import RouteStatus
from rollout.simulate import MemoryRouter, VirtualClock
from tests.support.worlds import Behaviour, Lab, plan


def climbed(then="revert", **spec):
    lab = Lab(plan=plan(onDrift=then, **spec))
    lab.run_until(lambda state: state.split.canary == 25 and state.steady_at is not None)
    return lab


def check_marks(lab):
    """The record that a write is marked with says its split."""
    facts = {entry.seq: entry.fact for entry in lab.entries}
    for rollout, split, write_id in lab.router.writes:
        name, _, number = write_id.rpartition("/")
        if name == rollout and number.isdecimal():
            fact = facts[int(number)]
            assert isinstance(fact, Decided)
            assert fact.split == split


def test_two_journals_on_one_envoy_do_not_take_turns():
    router, clock = MemoryRouter(), VirtualClock()
    first = Lab(plan=plan(onDrift="revert"), router=router, clock=clock)
    first.run_until(lambda state: state.split.canary == 25)
    second = Lab(plan=plan("other", onDrift="revert"), router=router, clock=clock)
    second.router.statuses[second.rollout] = router.statuses[first.rollout]
    shared = {first.rollout, second.rollout}
    write = router.write

    def write_both(rollout_plan, split, write_id, before=None, *, is_last=False):
        write(rollout_plan, split, write_id, before, is_last=is_last)
        for rollout in shared:
            router.statuses[rollout] = router.statuses[rollout_plan.id]

    router.write = write_both  # type: ignore[method-assign]
    write_both(second.plan, Split(50), f"{second.rollout}/9")
    count = len(router.writes)
    for _ in range(100):
        first.controller.tick()
        second.controller.tick()
        clock.sleep(0.5)
    assert first.state.phase == "paused"
    assert len(router.writes) - count < 5
    sentence = next(d.sentence for d in reversed(first.decisions) if d.action == "pause")
    assert f"another controller moved the weights (rollout {second.rollout}" in sentence


@pytest.mark.parametrize("then", ["revert", "adopt"])
def test_a_rollback_that_left_no_mark_is_not_written_over(then):
    """As another journal's rollback leaves it, or one that a restored backup has forgotten."""
    lab = climbed(then)
    lab.router.statuses[lab.plan.id] = RouteStatus(Split(0), "")
    count = len(lab.router.writes)
    lab.run_until(lambda state: state.phase == "paused")
    assert len(lab.router.writes) == count
    assert "our mark is gone" in lab.decisions[-1].sentence


class DeadlyMesh(MemoryRouter):
    """A mesh whose writer dies right after a last write."""

    def write(self, plan, split, write_id, before=None, *, is_last=False):
        super().write(plan, split, write_id, before, is_last=is_last)
        if is_last:
            raise KeyboardInterrupt


def test_an_edit_of_a_last_write_that_was_never_confirmed_is_not_written_over():
    """A last write leaves no mark; the controller dies before it can record its own."""
    lab = Lab(plan=plan(), router=DeadlyMesh())
    with pytest.raises(KeyboardInterrupt):
        lab.run()
    assert lab.state.phase == "promoting"
    count = len(lab.router.writes)
    lab.router.statuses[lab.plan.id] = RouteStatus(Split(30), "")
    lab.restart()
    lab.run_until(lambda state: state.phase == "paused")
    assert len(lab.router.writes) == count


def test_a_tool_that_puts_its_own_back_without_end_is_given_up():
    lab = climbed()
    for _ in range(200):
        if lab.router.read(lab.plan, 100).split.canary:
            lab.router.write(lab.plan, Split(7), "by a tool")
        lab.controller.tick()
        lab.clock.sleep(0.5)
    assert lab.state.phase == "paused"
    assert len([fact for fact in lab.facts if fact.kind == "drifted"]) < 30


@pytest.mark.parametrize("is_mended", [False, True])
def test_after_a_refusal_a_hand_s_weights_stay_and_nothing_is_written_under_a_mark(is_mended):
    lab = climbed()
    lab.router.refusing = "may not patch"
    lab.run_until(lambda state: state.phase == "paused")
    if is_mended:
        lab.router.refusing = ""
    count, writes = len(lab.entries), len(lab.router.writes)
    lab.router.statuses[lab.rollout] = type(lab.router.read(lab.plan, 100))(Split(3), "by hand")
    lab.run(60)
    assert lab.state.phase == "paused"
    assert len(lab.router.writes) == writes
    own = [fact for fact in lab.facts[count:] if fact.kind not in {"observed", "lived"}]
    assert len(own) <= 3
    check_marks(lab)


def test_an_edit_is_still_written_over():
    lab = climbed()
    lab.router.write(lab.plan, Split(90), "by hand")
    lab.run(10)
    assert lab.router.read(lab.plan, 100).split.canary in {25, 50}
    assert lab.state.phase in {"stepping", "promoting"}


def test_no_proof_never_promotes_from_below_the_top():
    """Prometheus is dead from the start, and comes back after the deadline."""
    lab = Lab(
        plan=plan(
            whenInconclusive="promote", deadline="12s", whenBlind={"hold": "5m", "then": "pause"}
        )
    )
    lab.world.dark = True
    lab.run(30)
    lab.world.dark = False
    lab.run(300)
    weights = [split.canary for _, split, _ in lab.router.writes]
    assert weights == [5, 25, 50, 100]
    assert lab.state.phase == "promoted"
    check_marks(lab)


def test_a_canary_that_answers_503_is_not_promoted_without_proof():
    lab = Lab(
        canary=Behaviour(errors=1.0),
        plan=plan(
            whenInconclusive="promote", deadline="12s", whenBlind={"hold": "5m", "then": "pause"}
        ),
    )
    lab.world.dark = True
    lab.run(30)
    lab.world.dark = False
    assert lab.run(300).phase == "rolled back"
    assert max(split.canary for _, split, _ in lab.router.writes) == 5


def test_a_mark_of_a_version_before_chains_is_ours_and_is_not_written_anew():
    lab = climbed()
    (status,) = lab.router.statuses.values()
    mark, _, chain = status.write_id.partition("@")
    assert chain == lab.controller.fleet.chain
    lab.router.statuses[lab.rollout] = replace(status, write_id=mark)
    count = len(lab.router.writes)
    state = lab.run_until(lambda state: state.split.canary == 50)
    assert state.phase != "paused"
    assert len(lab.router.writes) == count + 1
    assert "drift" not in [code for decided in lab.decisions for code in decided.reasons]


def test_two_journals_of_one_plan_whose_numbers_are_the_same_do_not_fight():
    lab = climbed()
    (status,) = lab.router.statuses.values()
    other = status.write_id.partition("@")[0] + "@0123456789ab"
    lab.router.statuses[lab.rollout] = replace(status, split=Split(5), write_id=other)
    count = len(lab.router.writes)
    state = lab.run_until(lambda state: state.phase == "paused")
    assert len(lab.router.writes) == count
    pause = next(d.sentence for d in reversed(lab.decisions) if d.action == "pause")
    assert "of another journal, 0123456789ab" in pause
    assert state.split == Split(5)
