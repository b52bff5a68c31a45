"""Never more is counted than was served; all of it wherever the scrapes can show it; else blind.

Exporters are generated with their lives: late and new targets, restarts, series that begin again
alone, rotation, relabelling, workers behind one address, twins, recorded sums, readers that differ.
The production observer reads what a Prometheus would have of them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.asking import ERRORS
from tests.support.scraped import ObservedRollout, WrittenPrometheus

RATE, UPTIME = "envoy_cluster_upstream_rq", "envoy_server_uptime"
SCRAPE, LAST, FIRST_LOOK = 15.0, 24, 4
MOST = 20  # units of a series in one gap
OLD = 50 * MOST  # a counter of a process that has run for long
CODES = ("200", "503")
SEEDS = st.integers(0, 2**32)


@dataclass
class Exporter:
    """One process: what it shows at each scrape, and since when it is up."""

    instance: str
    begins: int = 0
    age: float = 1e6
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    job: str = "envoy"
    labels: dict[str, str] = field(default_factory=dict)
    shows_uptime: bool = True
    is_hidden: bool = False

    @property
    def target(self) -> dict[str, str]:
        return {"job": self.job, "instance": self.instance}

    def write(self, server: WrittenPrometheus, scrape: int, at: float) -> None:
        if self.is_hidden:  # the scrape failed
            return
        server.write("up", self.target, at, 1)
        if self.shows_uptime:
            server.write(UPTIME, self.target, at, float(int(self.age)))
        for series, value in self.counts.items():
            write(server, series, at, value, self.target | self.labels)


def write(server, series, at, value, labels):
    arm = {"destination_service": "summarizer", "destination_version": series[0]}
    server.write(RATE, arm | {"envoy_response_code": series[1]} | labels, at, value)


class World:
    """Scrapes of exporters until the last one, what they served since the first look, and looks."""

    def __init__(self, seed: int, rollout=ObservedRollout, server=None) -> None:
        self.dice, self.server = np.random.default_rng(seed), server or WrittenPrometheus()
        self.rollout = rollout(self.server, ERRORS, SCRAPE)
        self.served: Counter[tuple[str, str]] = Counter()
        self.exporters = [
            Exporter("10.0.0.1:1", counts=Counter({("v1", "200"): 70, ("v2", "200"): OLD}))
        ]

    def between(self, least: int, most: int) -> int:
        return int(self.dice.integers(least, most + 1))

    def chance(self, probability: float) -> bool:
        return bool(self.dice.random() < probability)

    def pick(self, choices):
        return choices[self.between(0, len(choices) - 1)]

    def serve(self, exporter: Exporter, scrape: int) -> None:
        """Count some units of each series that the process has, and perhaps of a new one."""
        exporter.age += SCRAPE
        born = [(self.pick(["v1", "v2"]), self.pick(CODES))] if self.chance(0.2) else []
        for key in dict.fromkeys([*exporter.counts, *born]):
            units = self.between(MOST // 2, MOST)
            exporter.counts[key] += units
            self.add(key, units, scrape)

    def add(self, key: tuple[str, str], units: int, scrape: int) -> None:
        if scrape > FIRST_LOOK:
            self.served[key] += units

    def live(self, happen) -> None:
        """Let everything happen scrape by scrape; look after some, and always after the last."""
        density = self.dice.random()
        looks = {n for n in range(FIRST_LOOK, LAST) if self.chance(density)} | {FIRST_LOOK, LAST}
        for scrape in range(LAST + 1):
            happen(scrape)
            for exporter in self.exporters:
                if scrape >= exporter.begins:
                    self.serve(exporter, scrape)
                    exporter.write(self.server, scrape, scrape * SCRAPE)
            if scrape in looks:
                self.rollout.look(scrape * SCRAPE + 1)
                self.check_nothing_invented()

    def units(self, version: str) -> tuple[int, int]:
        """Return what a version served, and the bad units among it."""
        codes = {code: self.served[version, code] for code in CODES}
        return sum(codes.values()), codes["503"]

    def check_nothing_invented(self, slack: int = 0) -> None:
        for version, counted in (
            ("v1", self.rollout.total.stable),
            ("v2", self.rollout.total.canary),
        ):
            truth = self.units(version)
            assert all(units <= most + slack for units, most in zip(counted, truth, strict=True))

    def check_all_counted(self) -> None:
        assert not self.rollout.problem
        assert self.rollout.total.stable == self.units("v1")
        assert self.rollout.total.canary == self.units("v2")


def live_with_restarts(world):
    """Births on processes that were scraped before, new processes, restarts, series begun anew."""
    new = Exporter("10.0.0.2:1", begins=world.between(FIRST_LOOK + 1, LAST), age=-8)
    world.exporters += [Exporter("10.0.0.3:1"), new]
    # Each lasts long enough to be told from another process that answers now and then.
    times = [world.between(FIRST_LOOK + 2, LAST - 4) for _ in "123"]
    events = {scrape: world.pick(["restart", "series"]) for scrape in times}

    def happen(scrape):
        exporter = world.pick(world.exporters) if scrape in events else None
        if exporter is None or scrape <= exporter.begins:
            return
        if max(exporter.counts.values(), default=0) <= 5 * MOST:
            return  # what has counted little may show the same again
        if events[scrape] == "restart":
            exporter.counts = Counter(dict.fromkeys(exporter.counts, 0))
            exporter.age = -world.between(2, 10)
        else:  # a cluster of a proxy is updated: its counter begins again, the others go on
            exporter.counts[max(exporter.counts, key=exporter.counts.__getitem__)] = 0

    world.live(happen)
    world.check_all_counted()


@given(SEEDS)
def test_what_the_scrapes_can_show_is_counted_to_the_unit(seed):
    live_with_restarts(World(seed))


def live_with_a_late_target(world):
    begins = world.between(FIRST_LOOK + 1, LAST - 1)
    counts = Counter({("v2", "200"): world.pick([0, 50, 2000, 10**6])})
    late = Exporter("10.0.0.2:1", begins, counts=counts, shows_uptime=world.chance(0.5))
    world.exporters.append(late)

    def happen(scrape):
        if scrape > begins:  # the scrape before, under another job
            for series, value in late.counts.items():
                write(world.server, series, (scrape - 1) * SCRAPE + 3, value,
                      {"job": "twin", "instance": late.instance})  # fmt: skip

    world.live(happen)


@given(SEEDS)
def test_a_late_target_and_its_twin_count_from_their_first_scrape(seed):
    live_with_a_late_target(World(seed))


def live_with_relabelling(world):
    changes = {world.between(FIRST_LOOK + 1, LAST) for _ in "123"}

    def happen(scrape):
        if scrape in changes:
            world.exporters[0].labels = {world.pick(["zone", "cell", "rack"]): "a"}

    world.live(happen)


@given(SEEDS)
def test_relabelling_and_rotation_count_nothing_twice(seed):
    live_with_relabelling(World(seed))


def live_with_workers(world):
    shows = world.chance(0.5)
    ages = [OLD * n + world.between(0, OLD // 2) for n in range(world.between(2, 4))]
    ups = [1e5 + 1000 * n for n in range(len(ages))]
    target = {"job": "app", "instance": "10.0.0.9:1"}

    def happen(scrape):
        for worker in range(len(ages)):
            units = world.between(MOST // 2, MOST)
            ages[worker] += units
            world.add(("v2", "200"), units, scrape)
        answering = world.between(0, len(ages) - 1)
        write(world.server, ("v2", "200"), scrape * SCRAPE, ages[answering], target)
        if shows:
            world.server.write(UPTIME, target, scrape * SCRAPE, ups[answering] + scrape * SCRAPE)

    world.live(happen)


@given(SEEDS)
@example(54390933)  # of the samples before the first look only some are judged
@example(129649)  # before it they answer in rising order
def test_workers_behind_one_address_are_never_counted_for_more_than_they_served(seed):
    live_with_workers(World(seed))


def live_with_young_workers(world):
    """Workers with small counters answer in turns, after the one that has counted most alone."""
    number, most = world.between(2, 3), world.pick([2, MOST])
    counts = [{code: world.between(0, 5 * MOST) for code in CODES} for _ in range(number)]
    counts[0] = dict.fromkeys(CODES, 6 * MOST)
    forks = world.between(FIRST_LOOK, LAST - 2)
    target = {"job": "app", "instance": "10.0.0.9:1"}

    def happen(scrape):
        for worker, own in enumerate(counts):
            for code in own:
                units = most if worker == 0 else world.between(0, most)
                own[code] += units
                world.add(("v2", code), units, scrape)
        answering = scrape % number if scrape > forks else 0
        for code, value in counts[answering].items():
            write(world.server, ("v2", code), scrape * SCRAPE, value, target)
            uptime = scrape * SCRAPE + 1000 - answering / 100
            world.server.write("envoy_server_uptime", target, scrape * SCRAPE, uptime)

    world.live(happen)


@given(SEEDS)
def test_young_workers_that_were_forked_together_are_never_counted_for_more(seed):
    live_with_young_workers(World(seed))


def live_with_a_recorded_sum(world):
    pods = {n: world.between(OLD, 10 * OLD) for n in range(3)}

    def happen(scrape):
        if scrape > FIRST_LOOK and world.chance(0.15):
            if len(pods) > 1 and world.chance(0.5):
                pods.pop(world.pick(sorted(pods)))
            else:
                pods[len(pods) + 10 * scrape] = world.between(500 * MOST, 10**6)
        for pod in pods:
            units = world.between(MOST // 2, MOST)
            pods[pod] += units
            world.add(("v2", "200"), units, scrape)
        write(world.server, ("v2", "200"), scrape * SCRAPE, sum(pods.values()), {})

    world.live(happen)


@given(SEEDS)
def test_a_recorded_sum_whose_pods_come_and_go_is_never_counted_for_more(seed):
    live_with_a_recorded_sum(World(seed))


def live_with_two_readers(world):
    total = OLD

    def happen(scrape):
        nonlocal total
        units = world.between(0, MOST)
        total += units
        world.add(("v2", "200"), units, scrape)
        lag = world.between(0, 1) * (FIRST_LOOK < scrape < LAST)
        labels = {"job": "a", "instance": "b:1"}
        write(world.server, ("v2", "200"), scrape * SCRAPE, total - lag, labels)

    world.live(happen)
    world.check_all_counted()


@given(SEEDS)
def test_readers_that_differ_by_a_unit_change_nothing(seed):
    live_with_two_readers(World(seed))
