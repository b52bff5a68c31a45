"""Which looks a tick takes when many are due at once."""

import pytest

from analysis.counting.cursor import Series
from rollout.decide.record.facts import Observed
from rollout.journal.memory import MemoryJournal
from rollout.ports import Answer
from rollout.tick.attempts import started
from rollout.tick.fleet import Fleet
from tests.support.states import T0
from tests.support.worlds import plan

MANY = 300


@pytest.fixture(scope="module")
def plans():
    often = {"prometheus": {"scrape": "15s"}, "interval": "15s"}
    names = [f"service-{number}" for number in range(MANY)]
    return [plan(name, service=name, **often) for name in names]


def begun_fleet(plans):
    journal, fleet = MemoryJournal(), Fleet()
    journal.append([started(p, at=T0, controller="test") for p in plans], 0)
    list(fleet.read(journal))
    fleet.load_active_evidence(journal)
    return fleet, journal


def observe(fleet, journal, rollouts, at):
    """Record a look of each, with samples of scrapes at `T0 - 5` and every 15 s later."""
    scraped = at - (at - T0 + 5) % 15
    samples = tuple(Series(arm, arm, ((scraped, (0.0,)),)) for arm in ("canary", "stable"))
    facts = [Observed(rollout=r, at=at, series={"errors": samples}) for r in rollouts]
    journal.append(facts, fleet.head)
    list(fleet.read(journal))


def test_looks_that_are_due_by_their_interval_are_all_taken(plans):
    fleet, journal = begun_fleet(plans)
    assert len(fleet.due_looks(T0, journal)) == MANY


def test_many_looks_that_could_come_later_are_spread_over_ticks(plans):
    fleet, journal = begun_fleet(plans)
    observe(fleet, journal, [p.id for p in plans], T0)
    taken = fleet.due_looks(T0 + 10.5, journal)
    assert 0 < len(taken) < MANY
    observe(fleet, journal, taken, T0 + 10.5)
    assert set(fleet.due_looks(T0 + 11, journal)) == {p.id for p in plans} - set(taken)


def test_a_look_is_not_put_off_beyond_its_interval_or_where_prometheus_fails(plans):
    fleet, _ = begun_fleet(plans[:1])
    (rollout,) = fleet.states
    fleet.reschedule(rollout, T0)
    interval = fleet.states[rollout].plan.spec.interval
    assert not fleet.put_off(rollout, Answer(), T0 + interval)
    assert not fleet.put_off(rollout, Answer(problems={"errors": "down"}), T0 + interval / 2)
