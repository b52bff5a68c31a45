"""What stable's past says is learnt once, recorded, and decides whether a rollout may begin."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from rollout.decide.fold import fold_all
from rollout.decide.record.facts import Decided, HumanSaid, Learned
from rollout.explain.entry import sentence
from rollout.ports import Observer, PodHistory
from tests.support import pods
from tests.support.pods import NAMES, pods_plan
from tests.support.worlds import BAD, GOOD, Lab


def past_of(**words):
    """The past of a service whose requests are independent."""
    return PodHistory(pods.past_of(**words))


@dataclass
class Remembering:
    """A world that also knows its past; `asked` are the times when it was asked for it."""

    world: Observer
    past: PodHistory
    asked: list[float]

    def observe(self, asks, now):
        return self.world.observe(asks, now)

    def history(self, ask, now):
        assert ask.plan.spec.pods.label == "pod"
        self.asked.append(now)
        return self.past


def lab(past, version=GOOD, deadline="5m", **declared):
    """A lab whose observer has a past, and the times when it was asked."""
    asked: list[float] = []
    rollout = Lab(
        version,
        plan=pods_plan(declared, deadline=deadline),
        wrap=lambda ports: replace(ports, observer=Remembering(ports.observer, past, asked)),
    )
    return rollout, asked


def learned(rollout):
    return [fact for fact in rollout.facts if isinstance(fact, Learned)]


def test_the_past_is_learnt_once_before_the_first_step_and_is_in_the_rules():
    rollout, asked = lab(past_of())
    assert rollout.run().phase == "promoted"
    (fact,) = learned(rollout)
    assert len(asked) == 1
    assert fact.dispersions.keys() == set(NAMES)
    kinds = [f.action for f in rollout.facts if isinstance(f, Decided) and f.at <= fact.at]
    assert set(kinds) == {"hold"}
    for name, guardrail in rollout.state.guardrails.items():
        assert guardrail.test.dispersion == fact.dispersions[name]
        assert guardrail.test.dispersion.pods_canary == 2


def test_a_replay_knows_what_was_learnt():
    rollout, _ = lab(past_of())
    rollout.run()
    again = fold_all((entry.seq, entry.fact) for entry in rollout.entries)
    assert again == rollout.state


def test_a_restart_does_not_learn_again():
    rollout, asked = lab(past_of())
    rollout.run_until(lambda state: state.learned is not None)
    rollout.restart()
    rollout.run()
    assert len(asked) == 1


def test_harm_is_still_found():
    rollout, _ = lab(past_of(), BAD)
    assert rollout.run().phase == "rolled back"


def test_a_declared_number_of_canary_pods_is_used():
    rollout, _ = lab(past_of(canary=0), canary=3)
    rollout.run()
    assert {d.pods_canary for d in learned(rollout)[0].dispersions.values()} == {3}


UNKNOWN = [
    (past_of(canary=0), "the canary has no pods yet"),
    (past_of(ticks=100), "480 are needed"),
    (past_of(pods=1), "one pod, so nothing is known of how pods differ"),
    (PodHistory(problems=dict.fromkeys(NAMES, "a series has no label pod")), "has no label pod"),
]


@pytest.mark.parametrize(("past", "words"), UNKNOWN, ids=[words for _, words in UNKNOWN])
def test_without_a_valid_test_a_person_is_asked(past, words):
    rollout, _ = lab(past)
    rollout.run(60)
    assert rollout.state.phase == "paused"
    assert rollout.state.split.canary == 0
    pause = next(d for d in rollout.decisions if d.action == "pause")
    assert pause.reasons == tuple(f"no-valid-test:{name}" for name in sorted(NAMES))
    assert words in pause.sentence
    assert words in sentence(learned(rollout)[0])


def test_a_resume_goes_on_with_independent_requests_and_says_so():
    rollout, _ = lab(past_of(pods=1))
    rollout.run(60)
    fact = HumanSaid(
        rollout=rollout.plan.id, at=rollout.clock.now(), command="resume", actor="someone"
    )
    rollout.journal.append([fact], rollout.entries[-1].seq)
    assert rollout.run().phase == "promoted"
    first = next(d for d in rollout.decisions if d.action == "advance")
    assert "assume independent requests for errors (stable" in first.sentence
    assert rollout.state.guardrails["errors"].test.dispersion is None


def test_assume_goes_on_at_once_and_says_so():
    rollout, _ = lab(past_of(pods=1), whenUnknown="assume")
    assert rollout.run().phase == "promoted"
    assert rollout.actions[0] == "advance"
    first = next(d for d in rollout.decisions if d.action == "advance")
    assert "assume independent requests for errors (stable" in first.sentence


def test_refuse_does_not_begin_until_the_past_is_known():
    rollout, asked = lab(past_of(ticks=100), whenUnknown="refuse", deadline="1h")
    rollout.run(700)
    assert rollout.state.phase == "waiting"
    assert rollout.decisions[-1].reasons[0].startswith("no-valid-test:")
    assert 2 <= len(asked) <= 4, "it is read again, but not at every look"
    assert len(learned(rollout)) == 1, "and recorded only when it says something else"
    rollout.controller.ports.observer.past = past_of()
    assert rollout.run(700).phase == "promoted"
    assert len(learned(rollout)) == 2


def test_one_guardrail_without_a_test_does_not_take_the_others_with_it():
    past = past_of()
    two = {name: past.pods[name] for name in ("errors", "latency")}
    rollout, _ = lab(
        PodHistory(two, {"accuracy": "a series has no label pod"}), whenUnknown="assume"
    )
    rollout.run()
    rules = {
        name: guardrail.test.dispersion is not None
        for name, guardrail in rollout.state.guardrails.items()
    }
    assert rules == {"errors": True, "latency": True, "accuracy": False}


def test_a_plan_without_pods_says_that_requests_are_taken_as_independent():
    rollout = Lab(GOOD)
    rollout.run()
    first = next(d for d in rollout.decisions if d.action == "advance")
    assert "assume independent requests, since the plan declares no pods" in first.sentence
    assert not learned(rollout)


def test_an_observer_without_a_past_blocks_nothing():
    rollout = Lab(GOOD, plan=pods_plan())
    assert rollout.run().phase == "promoted"
    first = next(d for d in rollout.decisions if d.action == "advance")
    assert "since nothing of the pods' history is known" in first.sentence


def test_the_past_is_not_asked_for_while_prometheus_is_dark():
    rollout, asked = lab(past_of())
    rollout.world.dark = True
    rollout.run(20)
    assert not asked
    rollout.world.dark = False
    assert rollout.run().phase == "promoted"
