"""The simulated world: what is drawn coarsely follows the same law, and labels come in time."""

from __future__ import annotations

import numpy as np
import pytest

from rollout.decide.record.facts import HumanSaid
from rollout.decide.record.split import Split
from rollout.errors import JournalMovedError
from rollout.ports import Ask, RouteStatus
from rollout.simulate import Behaviour, MemoryRouter, SimulatedService, UnsealedJournal
from tests.support.worlds import plan

GUARDED = [
    {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "1%"}},
    {"name": "facts", "template": "quality/verdict", "margin": {"absolute": "1%"}},
    {"name": "latency", "template": "envoy/latency", "tolerance": "25%"},
]
PLAN = plan(guardrails=GUARDED)


def world(**words):
    router = MemoryRouter({PLAN.id: RouteStatus(Split(20), "")})
    behaviours = {"v1": Behaviour(), "v2": Behaviour(errors=0.1, fails=0.3)}
    return SimulatedService(router, behaviours, **words)


def after(seconds, **words):
    service = world(**words)
    service.advance(PLAN, 0.0)
    service.advance(PLAN, seconds)
    return service


def total(service, version, metric):
    counts = service.totals.get((version, metric))
    return 0 if counts is None else int(counts.sum())


@pytest.mark.parametrize("coarse", [False, True])
def test_coarse_draws_follow_the_law_of_fine_ones(coarse):
    service = after(999.0, seed=3, rate=50.0, coarse=coarse)
    requests = 50_000
    assert service.served["v2"] == pytest.approx(0.2 * requests, rel=0.03)
    assert total(service, "v2", "bad") == pytest.approx(0.1 * 0.2 * requests, rel=0.1)
    labels = total(service, "v2", "pass") + total(service, "v2", "fail")
    assert labels == pytest.approx(0.6 * 0.9 * 0.2 * requests * 994 / 1000, rel=0.04)
    assert total(service, "v2", "fail") / labels == pytest.approx(0.3, rel=0.06)


def test_labels_come_late_evenly_and_all():
    service = world(seed=5, rate=1000.0, labelled=1.0, lag=100.0, coarse=True)
    service.advance(PLAN, 0.0)
    service.advance(PLAN, 200.0)
    assert total(service, "v1", "score") == pytest.approx(0.8 * 1000 * 100 * 0.995, rel=0.03)
    service.rate = 0.0
    service.advance(PLAN, 400.0)
    assert total(service, "v1", "score") == total(service, "v1", "good")
    assert service._labels == []


def test_a_past_brings_labels_to_the_first_look():
    ask = Ask(PLAN.id, PLAN, {})
    late, steady = world(lag=60.0), world(lag=60.0, past=61.0)
    assert "facts" not in late.observe([ask], 0.0)[PLAN.id].series
    assert "facts" in steady.observe([ask], 0.0)[PLAN.id].series


def test_verdicts_are_a_rate_with_their_own_counters():
    series = after(60.0).observe([Ask(PLAN.id, PLAN, {})], 60.0)[PLAN.id].series["facts"]
    assert [(one_series.arm, one_series.key, one_series.bad) for one_series in series] == [
        ("canary", "pass", False),
        ("canary", "fail", True),
        ("stable", "pass", False),
        ("stable", "fail", True),
    ]


def test_recorded_buckets_are_what_is_drawn():
    recorded = Behaviour(latency_edges=(10.0, 20.0), latency_shares=(0.7, 0.2, 0.1))
    service = SimulatedService(MemoryRouter(), {"v1": recorded, "v2": recorded}, rate=1000.0)
    series = service.observe([Ask(PLAN.id, PLAN, {})], 100.0)[PLAN.id].series["latency"]
    assert series[0].edges == (10.0, 20.0, float("inf"))
    service.advance(PLAN, 100.0)
    counts = service.totals["v1", "latency"]
    assert counts / counts.sum() == pytest.approx([0.7, 0.2, 0.1], abs=0.05)


@pytest.mark.parametrize("behaviour", [Behaviour(), Behaviour(tail_share=0.1), Behaviour(score=1)])
def test_bucket_shares_are_shares(behaviour):
    for shares in (behaviour.latency, behaviour.scores):
        assert shares.sum() == pytest.approx(1.0)
        assert np.all(shares >= 0)
    assert behaviour.scores[-1] == 0.0


def test_the_same_seed_is_the_same_world():
    samples = [after(50.0, seed=seed).samples["v1", "good"] for seed in ((1, 2), (1, 2), (1, 3))]
    assert samples[0] == samples[1] != samples[2]


def test_an_unsealed_journal_keeps_facts_and_order():
    journal = UnsealedJournal()
    commands = [HumanSaid(rollout="r", at=at, command="pause", actor="a") for at in (1, 2, 3)]
    assert [entry.seq for entry in journal.append(commands[:2], 0)] == [1, 2]
    assert [entry.fact for entry in journal.append(commands[2:], 2)] == commands[2:]
    assert [entry.fact for entry in journal.read(1)] == commands[1:]
    with pytest.raises(JournalMovedError, match="last entry is 3, not 2"):
        journal.append(commands[:1], 2)
