"""What the observer counts for the journal is what the samples count, whatever happens to looks.

Controllers restart, looks are read and not recorded, answers are read in bulk: in the worlds of
`test_belief_laws`, and in one of histograms, the counts are those of a controller that keeps every
cursor and judges each series by itself.
"""

from __future__ import annotations

import random
from functools import partial
from operator import le

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rollout.observe.tally.resume import WINDOW
from tests.property import test_belief_laws as worlds
from tests.support.asking import LATENCY
from tests.support.examples import draw_up_to
from tests.support.scraped import ObservedRollout, WrittenPrometheus
from tests.support.tallied import EVENTS, TalliedRollout, reading_in_bulk

SEEDS = st.integers(0, 2**32)
LIVES = [
    worlds.live_with_restarts,
    worlds.live_with_a_late_target,
    worlds.live_with_relabelling,
    worlds.live_with_workers,
    worlds.live_with_a_recorded_sum,
    worlds.live_with_two_readers,
]
RENAMED = {worlds.live_with_relabelling}
SHAPE, SCRAPE, LOOKS = "envoy_cluster_upstream_rq_time_bucket", 15.0, range(3, 20)
EDGES = ("1", "5", "25", "+Inf")
READ_AGAIN = WINDOW - 2  # scrapes that a target may miss, and its last sample is read again


class Beside:
    """Two rollouts on one server, which must count and doubt the same at every look.

    Only one of them knows of which target a series was that has ended. So where series go on under
    other names, or are away for long (`is_renamed`), it counts no more than the other, which takes
    some for new ones.
    """

    def __init__(self, server, guardrail, scrape, happen, *, is_renamed=False):
        self.raw = ObservedRollout(server, guardrail, scrape)
        self.tallied = TalliedRollout(server, guardrail, scrape, happen=happen)
        self.is_renamed = is_renamed

    def look(self, now):
        counts, own = self.raw.look(now), self.tallied.look(now)
        assert self.tallied.problem == self.raw.problem
        if not self.is_renamed:
            assert own == counts
        for arm in ("canary", "stable"):
            assert all(map(le, getattr(own, arm), getattr(counts, arm)))


class UncheckedWorld(worlds.World):
    """A world in which it does not matter how much was served."""

    def check_nothing_invented(self, slack=0):
        pass

    def check_all_counted(self):
        pass


def beside(seed, events, live=None):
    dice, is_renamed = random.Random(seed), live in RENAMED
    return partial(Beside, happen=lambda: dice.choice(events), is_renamed=is_renamed)


@pytest.mark.parametrize("live", LIVES)
@given(SEEDS)
@example(96417)  # a process restarts, and comes to one unit less than it had
@example(1607)  # what fell before the baseline is back after it
@draw_up_to(50)
def test_restarts_and_looks_without_a_record_change_no_count(live, seed):
    live(UncheckedWorld(seed, beside(seed, EVENTS, live)))


@pytest.mark.parametrize("live", LIVES)
@given(SEEDS)
@draw_up_to(50)
def test_an_answer_that_is_read_in_bulk_counts_the_same(live, seed):
    with reading_in_bulk(1):
        live(UncheckedWorld(seed, beside(seed, EVENTS, live)))


class Pod:
    """A pod with a histogram of each version, which misses at most so many scrapes in a row."""

    def __init__(self, name, dice, longest=READ_AGAIN):
        self.name, self.dice, self.longest = name, dice, longest
        self.missed, self.served = 0, np.zeros((2, len(EDGES)))
        self.offset = dice.integers(0, 10)
        self.counts = dice.integers(0, 3000, (2, len(EDGES)))
        self.lasting = 0.5 if longest <= READ_AGAIN else 0.9

    def live(self, server, at):
        before = self.counts.copy()
        self.counts += self.dice.poisson(4, self.counts.shape)
        event = self.dice.random()
        if event < 0.04:
            self.counts[:] = 0
        elif event < 0.06:
            self.counts[self.dice.integers(2)] += 5000
        self.served += np.maximum(self.counts - before, 0)
        is_silent = self.dice.random() < (self.lasting if self.missed else 0.05)
        self.missed = self.missed + 1 if is_silent and self.missed < self.longest else 0
        if not self.missed and at <= LOOKS.start * SCRAPE:
            self.served[:] = 0  # a baseline, or before it
        for arm, version in enumerate(("v1", "v2")):
            for edge, below in zip(EDGES, np.cumsum(self.counts[arm]), strict=True):
                labels = {
                    "destination_service": "summarizer",
                    "destination_version": version,
                    "job": "pods",
                    "instance": f"{self.name}:1",
                    "le": edge,
                }
                if not self.missed:
                    server.write(SHAPE, labels, at + float(self.offset), float(below))


@given(SEEDS)
@example(427)  # one that fell before the baseline has nothing to take back
@example(821962035)  # a pod that ended before the baseline is back after a restart of ours
@example(97997)  # a restarted pod grows past its old count by itself: that is no way back
@draw_up_to(60)
@example(7194)  # one is back after another, without a new sample, was there all along
@example(253614307)  # a pod that would be away for longer than what is read again
def test_histograms_of_many_pods_count_the_same_in_bulk(seed):
    dice, server = np.random.default_rng(seed), WrittenPrometheus()
    rollout = beside(seed, EVENTS)(server, LATENCY, SCRAPE)
    with reading_in_bulk(1):
        live_with_pods(dice, server, rollout, READ_AGAIN)


@given(SEEDS)
@example(253614307)
@draw_up_to(60)
def test_a_pod_that_is_away_for_longer_than_is_read_again_counts_nothing_twice(seed):
    """After a restart of ours it is a baseline, where a controller that goes on has a fall."""
    dice, server = np.random.default_rng(seed), WrittenPrometheus()
    choose = partial(random.Random(seed).choice, EVENTS)
    rollout = TalliedRollout(server, LATENCY, SCRAPE, happen=choose)
    with reading_in_bulk(1):
        pods = live_with_pods(dice, server, rollout, LOOKS.stop)
    stable, canary = sum(pod.served for pod in pods)
    assert (np.array(rollout.total.stable or 0) <= stable).all()
    assert (np.array(rollout.total.canary or 0) <= canary).all()


def live_with_pods(dice, server, rollout, longest):
    """Let pods live, some of which are new; look after most scrapes, and return the pods."""
    pods = [Pod(f"pod-{n}", dice, longest) for n in range(4)]
    for scrape in range(LOOKS.stop):
        if dice.random() < 0.1:
            pods.append(Pod(f"pod-{len(pods)}", dice, longest))
        for pod in pods:
            pod.live(server, scrape * SCRAPE)
        if scrape in LOOKS and dice.random() < 0.8:
            rollout.look(scrape * SCRAPE + 12)
    return pods


@given(SEEDS)
def test_nothing_is_lost_where_prometheus_forgot_and_what_was_is_said(seed):
    """Without the last samples everything is a baseline: fewer are counted, and it is said."""
    dice = np.random.default_rng(seed)
    world = UncheckedWorld(seed, partial(TalliedRollout, happen=lambda: ""))
    lost: list[int] = []
    lost_at = int(dice.integers(worlds.FIRST_LOOK + 2, worlds.LAST))

    def happen(scrape):
        if scrape == lost_at and world.rollout.mark is not None:
            for samples in world.server.samples.values():
                samples.clear()
            world.rollout.restart()
            lost.append(scrape)

    worlds.World.live(world, happen)
    worlds.World.check_nothing_invented(world)
    if lost:
        assert any("no longer has" in words for words in world.rollout.unbelieved)


@given(SEEDS)
def test_with_another_key_every_series_is_a_baseline(seed):
    world = UncheckedWorld(seed, partial(TalliedRollout, happen=lambda: ""))
    world.live(lambda scrape: None)
    rollout, now = world.rollout, worlds.LAST * SCRAPE
    assert rollout.mark is not None
    before, rollout.key = rollout.total, b"another key, just as long as 32 b"
    rollout.restart()
    for scrape in (1, 2):
        for exporter in world.exporters:
            world.serve(exporter, worlds.LAST + scrape)
            exporter.counts["v2", "503"] += 1000
            exporter.write(world.server, scrape, now + scrape * SCRAPE)
        counts = rollout.look(now + scrape * SCRAPE + 1)
        if scrape == 1:
            assert rollout.total == before
            assert "key" in rollout.unbelieved[-1]
    assert counts.stable_exposures > 0
