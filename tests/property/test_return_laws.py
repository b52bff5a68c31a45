"""What comes back is counted once: a target's name of before, a sum's lost member, a worker.

These are more lives of the exporters of `test_belief_laws`: never more is counted than was served.
"""

from __future__ import annotations

import random
from collections import Counter
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property import test_belief_laws as worlds
from tests.support.tallied import EVENTS, TalliedRollout, reading_in_bulk

CODES, FIRST_LOOK, LAST, MOST = worlds.CODES, worlds.FIRST_LOOK, worlds.LAST, worlds.MOST
OLD, SCRAPE, World, Exporter = worlds.OLD, worlds.SCRAPE, worlds.World, worlds.Exporter
SEEDS = st.integers(0, 2**32)


def live_with_names_that_come_back(world):
    """A process moves between names, begins anew in between, and misses scrapes; another is new."""
    moving = Exporter(
        "10.0.0.2:1",
        age=world.pick([1e6, -30.0]),
        counts=Counter({("v2", code): world.between(0, 10 * MOST) for code in CODES}),
        shows_uptime=world.chance(0.5),
    )
    names = [f"10.0.0.{n}:1" for n in range(2, world.between(4, 5))]
    labels = world.pick([{}, {"pod": "x"}])
    world.exporters += [moving]
    if world.chance(0.5):
        world.exporters.append(
            Exporter("10.0.0.9:1", begins=world.between(FIRST_LOOK, LAST), age=-8)
        )
    moves = {world.between(2, LAST) for _ in range(world.between(1, 6))}
    begins_anew = {world.between(2, LAST)} if world.chance(0.4) else set()
    missed = {world.between(FIRST_LOOK + 1, LAST) for _ in range(world.between(0, 3))}

    def happen(scrape):
        if scrape in moves:
            moving.instance = world.pick([name for name in names if name != moving.instance])
            moving.labels = labels if world.chance(0.3) else {}
        if scrape in begins_anew:
            moving.counts = Counter(dict.fromkeys(moving.counts, 0))
            moving.age = -world.between(2, 10)
        moving.is_hidden = scrape in missed

    world.live(happen)


@given(SEEDS)
def test_a_name_that_comes_back_counts_nothing_twice(seed):
    live_with_names_that_come_back(World(seed))


def live_with_a_small_recorded_sum(world):
    """Members are lost for some scrapes and come back, begin anew, or are lost for good."""
    members = [
        {code: world.between(0, world.pick([2, 10]) * MOST) for code in CODES}
        for _ in range(world.between(2, 4))
    ]
    most = world.pick([2, MOST])
    away: dict[int, int] = {}
    rate = world.pick([0.03, 0.1, 0.25])

    def happen(scrape):
        lasting = world.pick([1, 2, 3, 5, 8, 13, 99])
        for number, member in enumerate(members):
            for code in CODES:
                units = world.between(0, most)
                member[code] += units
                world.add(("v2", code), units, scrape)
            can_be_lost = scrape > FIRST_LOOK and scrape not in away.values()
            if can_be_lost and away.get(number, 0) <= scrape and world.chance(rate):
                away[number] = scrape + lasting  # those that are lost together come back together
        there = [m for n, m in enumerate(members) if away.get(n, 0) <= scrape]
        for code in CODES if there else ():
            value = sum(member[code] for member in there)
            worlds.write(world.server, ("v2", code), scrape * SCRAPE, value, {})

    world.live(happen)


@given(SEEDS)
def test_a_small_recorded_sum_that_loses_members_is_never_counted_for_more(seed):
    live_with_a_small_recorded_sum(World(seed))


@pytest.mark.parametrize("live", [live_with_names_that_come_back, live_with_a_small_recorded_sum])
@pytest.mark.parametrize("is_bulk", [False, True], ids=["one by one", "in bulk"])
@given(SEEDS)
@settings(max_examples=30)
def test_restarts_of_ours_count_nothing_twice_either(live, is_bulk, seed):
    dice = random.Random(seed)
    world = World(seed, partial(TalliedRollout, happen=lambda: dice.choice(EVENTS)))
    with reading_in_bulk(1 if is_bulk else 10**9):
        live(world)
