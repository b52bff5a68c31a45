"""A plan without pods learns from stable's totals before its first step, and a replay with it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from analysis.counting.per_pod import PodCounts
from rollout.decide.fold import fold_all
from rollout.decide.record.facts import FACT, Decided, Learned, Started
from rollout.explain.entry import sentence
from rollout.ports import Observer, PodHistory
from tests.support.worlds import BAD, GOOD, Lab


def past_of(cluster=1, ticks=2880, rate=100, base=0.01):
    """Stable's totals: errors come in bursts of `cluster`."""
    dice = np.random.default_rng(5)
    bursts = dice.poisson(rate * base / cluster, ticks)
    counts = np.stack([np.full(ticks, rate), np.minimum(cluster * bursts, rate)], -1)[:, None]
    ends = tuple(2.0 * i for i in range(ticks))
    return PodHistory({"errors": PodCounts(("",), ends, counts)})


@dataclass
class WithTotals:
    """A world that also knows its past."""

    world: Observer
    past: PodHistory

    def observe(self, asks, now):
        return self.world.observe(asks, now)

    def history(self, _ask, _now):
        return self.past


def lab(past, version=GOOD):
    return Lab(
        version, wrap=lambda ports: replace(ports, observer=WithTotals(ports.observer, past))
    )


def learned(rollout):
    (fact,) = (fact for fact in rollout.facts if isinstance(fact, Learned))
    return fact


def first_step(rollout):
    return next(f for f in rollout.facts if isinstance(f, Decided) and f.action == "advance")


def test_the_totals_are_learnt_before_the_first_step_which_says_what_they_allow():
    rollout = lab(past_of(cluster=4))
    rollout.run()
    fact, step = learned(rollout), first_step(rollout)
    assert fact.dispersions["errors"].by == "totals"
    assert fact.at < step.at
    assert rollout.state.guardrails["errors"].test.dispersion == fact.dispersions["errors"]
    assert "bad units in bursts of 4" in step.sentence
    assert "assume independent requests for accuracy, latency" in step.sentence.replace(
        "latency, accuracy", "accuracy, latency"
    )


def test_a_calm_past_finds_harm_as_soon_as_before_and_a_restless_one_later():
    looks = {}
    for cluster in (1, 6):
        rollout = lab(past_of(cluster), BAD)
        assert rollout.run().phase == "rolled back"
        looks[cluster] = rollout.state.looked_at
    assert looks[1] <= looks[6]


def test_a_replay_reads_the_same_numbers_from_the_journal():
    rollout = lab(past_of(cluster=4))
    rollout.run()
    recorded = ((entry.seq, FACT.dump_python(entry.fact)) for entry in rollout.entries)
    again = fold_all((seq, FACT.validate_python(fact)) for seq, fact in recorded)
    assert again == rollout.state


def test_a_rollout_from_before_keeps_the_test_it_began_with():
    rollout = Lab(GOOD)
    rollout.run()
    (start,) = (fact for fact in rollout.facts if isinstance(fact, Started))
    assert "reads_past" not in start.model_dump()
    assert not [fact for fact in rollout.facts if isinstance(fact, Learned)]
    assert "error rates assume independent requests" in first_step(rollout).sentence


def test_too_short_a_past_is_named_and_requests_count_as_independent():
    rollout = lab(past_of(ticks=100))
    assert rollout.run().phase == "promoted"
    assert "100 looks, 480 are needed" in first_step(rollout).sentence
    assert "480 are needed" in sentence(learned(rollout))
    assert rollout.state.guardrails["errors"].test.dispersion is None
