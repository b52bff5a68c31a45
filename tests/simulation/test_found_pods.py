"""Pods that nobody declared are found, used, confirmed by the canary's requests, and said."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from analysis.counting.per_pod import PodCounts
from analysis.dispersion.estimate import ONE_POD
from rollout.decide.fold import fold_all
from rollout.decide.record.facts import FACT, Learned, Started
from rollout.explain.entry import sentence
from rollout.ports import Ask, Observer, PodHistory
from tests.support import pods
from tests.support.pods import NAMES
from tests.support.worlds import BAD, GOOD, Lab, plan


def by_pod(**words):
    """A past whose pods a label tells apart."""
    return PodHistory(pods.past_of(**words), labels=dict.fromkeys(NAMES, "pod"))


def with_slow_pods(canary):
    """A past in which some pods are slower for good."""
    past = by_pod(canary=canary).pods
    buckets = past["latency"].counts.copy()
    buckets[:, :2] = np.roll(buckets[:, :2], 2, axis=-1)
    slow = {**past, "latency": replace(past["latency"], counts=buckets)}
    return PodHistory(slow, labels=dict.fromkeys(NAMES, "pod"))


def in_total(**words):
    """The same past, of whose errors only the totals are known, and a label that may yet tell."""
    counts = pods.past_of(**words)["errors"]
    total = replace(counts, pods=("",), counts=counts.counts.sum(axis=1, keepdims=True), canary=0)
    return PodHistory({"errors": total}, awaited=dict.fromkeys(NAMES, "pod"))


@dataclass
class Found:
    """A world whose past is told anew at every question; the last answer stays."""

    world: Observer
    pasts: list[PodHistory]
    asks: list[Ask] = field(default_factory=list)

    def observe(self, asks, now):
        return self.world.observe(asks, now)

    def history(self, ask, _now):
        if ask.labels:
            return PodHistory()
        self.asks.append(ask)
        return self.pasts.pop(0) if len(self.pasts) > 1 else self.pasts[0]


def lab(*pasts, version=GOOD, **spec):
    observers = []

    def wrap(ports):
        observers.append(Found(ports.observer, list(pasts)))
        return replace(ports, observer=observers[-1])

    rollout = Lab(version, plan=plan(**spec), wrap=wrap)
    return rollout, observers[0]


def learned(rollout):
    return [fact for fact in rollout.facts if isinstance(fact, Learned)]


def advances(rollout):
    return [d for d in rollout.decisions if d.action == "advance"]


def test_pods_with_series_of_both_versions_are_used_from_the_first_step_on_which_names_the_label():
    rollout, observer = lab(by_pod())
    rollout.run()
    fact = learned(rollout)[0]
    assert observer.asks[0].finds_pods
    assert {d.by for d in fact.dispersions.values()} == {"pods"}
    assert fact.labels == dict.fromkeys(NAMES, "pod")
    step = advances(rollout)[0]
    assert "pods told apart by the label pod (accuracy, errors and latency)" in step.sentence
    assert "2 of the canary" in step.sentence
    assert "declare" not in step.sentence
    assert "by the label pod" in sentence(fact)
    for name, guardrail in rollout.state.guardrails.items():
        assert guardrail.test.dispersion == learned(rollout)[-1].dispersions[name]


def test_what_was_found_is_confirmed_in_the_warm_up_once():
    rollout, observer = lab(by_pod(), warmup="20s")
    rollout.run()
    first, second = learned(rollout)
    assert not first.is_confirmed
    assert second.is_confirmed
    assert second.at < rollout.state.warm_at
    assert second.at > advances(rollout)[0].at
    assert len(observer.asks) == 2
    assert observer.asks[1].by_chance


def test_a_canary_that_restarts_just_then_is_asked_about_again():
    rollout, observer = lab(by_pod(), by_pod(canary=0), by_pod(), warmup="2m", deadline="20m")
    rollout.run_until(lambda state: state.learned and state.learned.is_confirmed, 180)
    assert len(observer.asks) == 3
    assert {d.by for d in rollout.state.learned.dispersions.values()} == {"pods"}


def test_a_label_that_only_the_canary_s_requests_confirm_is_used_before_any_evidence_counts():
    rollout, _ = lab(in_total(), by_pod(), warmup="20s")
    rollout.run()
    first, second = learned(rollout)
    assert first.dispersions["errors"].by == "totals"
    assert first.labels == {}
    assert second.dispersions["errors"].by == "pods"
    assert second.at < rollout.state.warm_at
    step = advances(rollout)[0]
    assert "pods not told apart by the label pod" in step.sentence
    assert "the canary's first requests show whether it does" in step.sentence
    assert rollout.state.guardrails["errors"].test.dispersion.by == "pods"


def test_the_number_of_canary_pods_may_be_told_without_a_label():
    """Before the canary's first request nobody can count its pods; the plan's number is used."""
    rollout, observer = lab(by_pod(canary=0), pods={"canary": 2})
    rollout.run()
    assert observer.asks[0].finds_pods
    fact = learned(rollout)[0]
    assert {d.by for d in fact.dispersions.values()} == {"pods"}
    assert {d.pods_canary for d in fact.dispersions.values()} == {2}
    assert "2 of the canary" in advances(rollout)[0].sentence


def test_a_client_s_label_that_the_canary_s_requests_refute_gives_way_to_totals():
    refuted = replace(in_total(), awaited={})
    rollout, _ = lab(by_pod(), refuted, warmup="20s")
    rollout.run()
    assert learned(rollout)[-1].labels == {}
    assert rollout.state.guardrails["errors"].test.dispersion.by == "totals"


def test_found_pods_that_cannot_be_used_fall_back_to_totals_and_say_why():
    one_canary = by_pod(canary=0)
    rollout, _ = lab(one_canary)
    rollout.run()
    assert rollout.state.guardrails["errors"].test.dispersion.by == "totals"
    step = advances(rollout)[0]
    assert "not told apart by the label pod" in step.sentence
    assert "no pod of the canary has a sample" in step.sentence
    assert not [d for d in rollout.decisions if d.action == "pause"]


def test_one_canary_pod_beside_pods_that_are_alike_is_tested():
    rollout, _ = lab(by_pod(canary=1))
    assert rollout.run().phase == "promoted"


def test_one_canary_pod_beside_pods_that_differ_for_good_gets_no_verdict_by_name():
    rollout, _ = lab(by_pod(canary=1, sd=0.3), whenBlind={"hold": "20s", "then": "pause"})
    rollout.run(60)
    assert rollout.state.learned.unknown["errors"] == ONE_POD
    assert rollout.state.phase == "paused"
    assert not advances(rollout)
    hold = next(d for d in rollout.decisions if "blind:errors" in d.reasons)
    assert ONE_POD in hold.sentence


def test_one_bad_spell_of_one_pod_is_no_lasting_difference():
    past = by_pod(canary=1, pods=3, base=0.005).pods
    counts = past["errors"].counts.copy()
    counts[700:720, 0, 1] = counts[700:720, 0, 0] * 0.3
    spell = {**past, "errors": replace(past["errors"], counts=counts)}
    rollout, _ = lab(PodHistory(spell, labels=dict.fromkeys(NAMES, "pod")))
    rollout.run_until(lambda state: state.stepped, 60)
    assert not rollout.state.unknown
    assert rollout.state.guardrails["errors"].test.dispersion.by == "pods"


def test_a_second_canary_pod_ends_that():
    pasts = by_pod(canary=1, sd=0.3), by_pod(canary=2, sd=0.3)
    rollout, _ = lab(*pasts, whenBlind={"hold": "15m", "then": "pause"}, deadline="30m")
    rollout.run_until(lambda state: state.stepped, 900)
    assert not rollout.state.unknown


def test_a_second_canary_pod_ends_it_after_the_first_step_too():
    """The canary's series came with its first requests, so its pods were counted in the warm-up."""
    pasts = in_total(), by_pod(canary=1, sd=0.3), by_pod(canary=2, sd=0.3)
    rollout, observer = lab(*pasts, warmup="20s", deadline="60m", whenBlind={"hold": "15m"})
    rollout.run_until(lambda state: state.unknown, 60)
    confirmed = learned(rollout)[-1]
    assert confirmed.unknown == {"errors": ONE_POD}
    rollout.run_until(lambda state: not state.unknown, 900)
    again = learned(rollout)[-1]
    assert again.is_confirmed
    assert again.dispersions["latency"] == confirmed.dispersions["latency"], "that is final"
    assert rollout.state.guardrails["errors"].test.dispersion.pods_canary == 2
    asked = len(observer.asks)
    assert rollout.run(3000).split.canary > 5
    assert len(observer.asks) == asked


def test_latencies_are_tested_once_it_has_two():
    pasts = in_total(), with_slow_pods(1), with_slow_pods(2)
    rollout, _ = lab(*pasts, warmup="20s", deadline="60m", whenBlind={"hold": "15m"})
    rollout.run_until(lambda state: state.unknown, 60)
    rollout.run_until(lambda state: not state.unknown, 900)
    rollout.run(60)
    assert not rollout.state.guardrails["latency"].test.problem
    assert rollout.state.phase != "paused"


def test_as_long_as_it_has_one_nothing_new_is_recorded():
    rollout, observer = lab(
        in_total(), by_pod(canary=1, sd=0.3), warmup="20s", whenBlind={"hold": "15m"}
    )
    rollout.run(1200)
    assert len(observer.asks) > 2
    assert len(learned(rollout)) == 2


def test_none_forbids_it():
    rollout, observer = lab(by_pod(), pods="none")
    rollout.run(30)
    assert not observer.asks[0].finds_pods


def test_harm_is_found():
    rollout, _ = lab(by_pod(), version=BAD)
    assert rollout.run().phase == "rolled back"


def test_a_replay_makes_the_same_numbers():
    rollout, _ = lab(in_total(), by_pod(), warmup="20s")
    rollout.run()
    recorded = ((entry.seq, FACT.dump_python(entry.fact)) for entry in rollout.entries)
    again = fold_all((seq, FACT.validate_python(fact)) for seq, fact in recorded)
    assert again == rollout.state


def test_what_was_not_found_is_not_written():
    rollout, _ = lab(PodHistory({"errors": in_total().pods["errors"]}))
    rollout.run()
    (fact,) = learned(rollout)
    assert {"found_pods", "is_confirmed"}.isdisjoint(fact.model_dump())


def test_a_rollout_from_before_goes_on_without():
    begun = Started.model_validate(
        {
            "rollout": "r",
            "at": 0,
            "plan": plan().document(),
            "digest": "",
            "total": 100,
            "controller": "1",
            "reads_past": True,
        }
    )
    state = fold_all([(1, begun)])
    assert not state.finds_pods
    assert "finds_pods" not in begun.model_dump()


def test_servers_that_count_fewer_bad_units_than_callers_are_not_believed():
    own = by_pod()
    errors = own.pods["errors"]
    total = errors.counts.sum(axis=1, keepdims=True)
    total[..., 1] = np.minimum(total[..., 0], 2 * total[..., 1])
    callers = PodCounts(("",), errors.ends, total)
    rollout, _ = lab(replace(own, totals={"errors": callers}))
    rollout.run()
    first = learned(rollout)[0]
    assert first.dispersions["errors"].by == "totals"
    assert "callers count" in first.found_pods["errors"].unused
