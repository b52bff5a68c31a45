"""When looks come in a whole run: right after scrapes, wherever these and the start fall."""

import numpy as np
import pytest

from benchmarks import harm_delay
from benchmarks.harm_delay import SCRAPE, TICK, Scraped
from rollout.decide.evidence.next_look import margin
from rollout.decide.record.facts import Observed
from rollout.journal.memory import MemoryJournal
from rollout.ports import Ports
from rollout.simulate import MemoryRouter, VirtualClock
from rollout.tick.controller import Controller
from rollout.tick.fleet import Fleet
from rollout.tick.times.look_times import LookTimes


class HealthyRun:
    """A healthy rollout, ticked twice a second."""

    def __init__(self, canary, stable, readable_after=0.1):
        self.offset = canary
        self.router, self.clock, self.journal = MemoryRouter(), VirtualClock(), MemoryJournal()
        self.world = Scraped(
            router=self.router,
            dice=np.random.default_rng(7),
            offsets={"canary": canary, "stable": stable},
            begun=self.clock.now(),
            harmful_from=float("inf"),
            readable_after=readable_after,
        )
        self.begun, self.plan, self.queries = self.clock.now(), harm_delay.plan(), 0
        self.restart()

    def observe(self, asks, now):
        self.queries += 1
        return self.world.observe(asks, now)

    def restart(self):
        ports = Ports(self, self.router, self.journal, self.clock)
        self.controller = Controller(ports, "test", fleet=Fleet())
        (self.rollout,) = self.controller.start([self.plan], uncalibrated=True)

    def run(self, seconds):
        for _ in range(round(seconds / TICK)):
            self.controller.tick()
            self.clock.sleep(TICK)

    @property
    def looks(self):
        facts = [entry.fact for entry in self.journal.read()]
        return [fact.at for fact in facts if isinstance(fact, Observed)]

    def delays(self, looks):
        """Seconds from the canary's last scrape that could be read to each look."""
        since = self.begun + self.offset + self.world.readable_after
        return [(at - since) % SCRAPE for at in looks]


@pytest.mark.parametrize(("canary", "stable"), [(0, 0), (4, 11), (11, 4), (14.5, 6), (7, 7.2)])
def test_looks_follow_the_canarys_scrapes_and_are_never_far_apart(canary, stable):
    run = HealthyRun(canary, stable)
    run.run(300)
    pauses = np.diff(run.looks)
    assert pauses.max() <= SCRAPE + TICK
    assert pauses[3:].min() >= SCRAPE - 2 * TICK
    assert max(run.delays(run.looks[3:])) <= margin(SCRAPE) + 2 * TICK


@pytest.mark.parametrize("readable_after", [1.0, 3.0])
@pytest.mark.parametrize("offset", [0.0, 5.0, 13.0, 14.5])
def test_slow_scrapes_are_awaited(readable_after, offset):
    """At most as long again as they take, by a few queries a look."""
    run = HealthyRun(offset, offset, readable_after)
    run.run(600)
    settled = run.looks[6:]
    assert max(run.delays(settled)) <= readable_after + 2 * TICK
    assert np.diff(run.looks).max() <= SCRAPE + TICK
    assert run.queries <= 5 * len(run.looks)


def test_looks_before_which_targets_were_not_all_scraped_do_not_test_the_share():
    run = HealthyRun(4.0, 11.0)
    run.run(600)
    state = run.controller.states[run.rollout]
    assert state.steady_at is not None
    assert state.requests_per_look == pytest.approx(1200, rel=0.2)


def test_a_restart_causes_no_extra_look():
    undisturbed, restarted = HealthyRun(4.0, 11.0), HealthyRun(4.0, 11.0)
    for _ in range(20):
        undisturbed.run(6)
        restarted.run(6)
        restarted.restart()
    assert undisturbed.looks == restarted.looks


def test_nine_of_ten_canaries_that_begin_to_fail_go_back_within_two_scrapes():
    row = harm_delay.measure(LookTimes, 40, 1, is_one_target=False)
    own = harm_delay.measure(harm_delay.OwnPhase, 40, 1, is_one_target=False)
    assert row["median"] <= 17
    assert row["p90"] <= 2 * SCRAPE
    assert row["median"] <= own["median"] - SCRAPE / 3
