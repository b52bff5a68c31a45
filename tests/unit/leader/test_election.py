"""Who leads: one at a time, whatever fails, by each replica's own clock alone."""

from __future__ import annotations

import contextlib
import copy
from functools import partial

import numpy as np
import pytest

from rollout.errors import ClusterError
from rollout.leader.election import LeaderElector, LeaseTimes


class MemoryLeases:
    """The Lease as an API server holds it; `fault` is asked before and after each request."""

    def __init__(self):
        self.held, self.version, self.fault = None, 0, lambda when: None

    def get(self, _kind, _namespace, _name):
        self.fault("before")
        if self.held is None:
            raise ClusterError("not found", 404)
        return copy.deepcopy(self.held)

    def create(self, _kind, _namespace, body):
        self.fault("before")
        if self.held is not None:
            raise ClusterError("exists", 409)
        return self._keep(body)

    def replace(self, _kind, _namespace, _name, body):
        self.fault("before")
        if body["metadata"]["resourceVersion"] != str(self.version):
            raise ClusterError("conflict", 409)
        return self._keep(body)

    def _keep(self, body):
        self.version += 1
        self.held = copy.deepcopy(body)
        self.held["metadata"]["resourceVersion"] = str(self.version)
        self.fault("after")
        return self.held


class Time:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def leases():
    return MemoryLeases()


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def build_elector(leases, time):
    def make(name, wall=lambda: 1.8e9):
        return LeaderElector(leases, "ns", "surefoot", name, time, wall, LeaseTimes(15.0))

    return make


def test_the_first_one_leads_and_the_second_waits(build_elector, leases):
    first, second = build_elector("one"), build_elector("two")
    first.try_acquire_or_renew()
    second.try_acquire_or_renew()
    assert (first.leads, first.term, second.leads, second.leader) == (True, 1, False, "one")
    assert leases.held["spec"]["leaseDurationSeconds"] == 15


def test_who_renews_stays_and_who_does_not_is_followed(build_elector, time):
    first, second = build_elector("one"), build_elector("two")
    for _ in range(20):
        first.try_acquire_or_renew()
        second.try_acquire_or_renew()
        time.now += 2
    assert first.leads
    assert first.term == 1
    for _ in range(8):
        second.try_acquire_or_renew()
        time.now += 2
    assert (second.leads, second.term, first.leads) == (True, 2, False)
    first.try_acquire_or_renew()
    assert (first.term, first.leader) == (0, "two")


def test_a_leader_stops_before_another_may_begin(build_elector, time):
    first, second = build_elector("one"), build_elector("two")
    first.try_acquire_or_renew()
    second.try_acquire_or_renew()
    time.now += 10.0
    assert not first.leads
    second.try_acquire_or_renew()
    assert not second.leads
    time.now += 4.9
    second.try_acquire_or_renew()
    assert not second.leads
    time.now += 0.2
    second.try_acquire_or_renew()
    assert second.leads


def test_wall_clocks_are_never_compared(build_elector, time):
    only = build_elector("one", wall=lambda: 4e9)  # decades ahead
    two = build_elector("two", wall=lambda: 1.0)
    only.try_acquire_or_renew()
    two.try_acquire_or_renew()
    time.now += 15.1
    two.try_acquire_or_renew()
    assert two.leads


def test_a_lease_that_is_given_back_is_taken_at_once(build_elector, leases):
    first, second = build_elector("one"), build_elector("two")
    first.try_acquire_or_renew()
    second.try_acquire_or_renew()
    first.release()
    assert (first.leads, first.term) == (False, 0)
    second.try_acquire_or_renew()
    assert (second.leads, second.term) == (True, 2)
    first.release()  # harmless: it is another's now
    assert leases.held["spec"]["holderIdentity"] == "two"


def test_who_is_not_fit_gives_it_up_and_does_not_stand_until_it_is(build_elector, leases):
    first, second = build_elector("one"), build_elector("two")
    first.try_acquire_or_renew()
    first.fit = second.fit = lambda: False
    first.try_acquire_or_renew()
    assert (first.leads, first.term, leases.held["spec"]["holderIdentity"]) == (False, 0, "")
    first.try_acquire_or_renew()
    second.try_acquire_or_renew()
    assert leases.held["spec"]["holderIdentity"] == ""
    first.fit = lambda: True
    first.try_acquire_or_renew()
    assert (first.leads, first.term) == (True, 2)


def test_a_lease_that_could_not_be_given_up_is_given_up_later(build_elector, leases):
    def away(_when):
        raise ClusterError("away")

    first, second = build_elector("one"), build_elector("two")
    first.try_acquire_or_renew()
    first.fit, leases.fault = lambda: False, away
    with pytest.raises(ClusterError):
        first.try_acquire_or_renew()
    assert not first.leads, "whatever the API server heard"
    leases.fault = lambda _when: None
    first.try_acquire_or_renew()
    second.try_acquire_or_renew()
    assert (first.term, second.term) == (0, 2)


def test_of_two_who_take_it_at_once_one_does(build_elector, leases):
    first, second = build_elector("one"), build_elector("two")

    def between(_when):  # after `one` has read, before it writes
        leases.fault = lambda when: None
        second.try_acquire_or_renew()

    leases.fault = lambda when: setattr(leases, "fault", between)
    first.try_acquire_or_renew()
    assert (first.leads, second.leads) == (False, True)


def test_an_answer_that_was_lost_is_found_by_reading(build_elector, leases, time):
    def lost(when):
        if when == "after":
            raise ClusterError("timed out")

    only = build_elector("one")
    leases.fault = lost
    with pytest.raises(ClusterError):
        only.try_acquire_or_renew()
    assert not only.leads
    leases.fault = lambda when: None
    only.try_acquire_or_renew()
    assert (only.leads, only.term) == (True, 2)


def test_a_leader_that_was_cut_off_goes_on_in_its_term_if_nobody_came(build_elector, leases, time):
    only = build_elector("one")
    only.try_acquire_or_renew()
    time.now += 600
    assert (only.leads, only.term) == (False, 1)
    only.try_acquire_or_renew()
    assert (only.leads, only.term) == (True, 1)


@pytest.mark.parametrize("seed", range(20))
def test_never_two_leaders_and_terms_only_rise(build_elector, leases, time, seed):
    """Three replicas, each pausing and unfit at random, on an API server that loses answers."""
    dice = np.random.default_rng(seed)
    three = [build_elector(name) for name in ("one", "two", "three")]
    unfit: list[float] = [0.0] * 3
    paused: list[float] = [0.0] * 3
    terms: dict[int, str] = {}

    def fault(when):
        time.now += float(dice.exponential(0.3))
        if dice.random() < 0.1:
            raise ClusterError("away", int(dice.choice([0, 429, 500, 503])))

    for who, elector in enumerate(three):
        elector.fit = partial(lambda who: time.now >= unfit[who], who)
    leases.fault = fault
    led = 0
    for _ in range(800):
        time.now += float(dice.exponential(0.7))
        who = int(dice.integers(3))
        if dice.random() < 0.06:
            paused[who] = time.now + float(dice.exponential(30))
        if dice.random() < 0.02:
            unfit[who] = time.now + float(dice.exponential(30))
        if time.now >= paused[who]:
            with contextlib.suppress(ClusterError):
                three[who].try_acquire_or_renew()
        leading = [elector for elector in three if elector.leads]
        assert len(leading) <= 1
        for elector in leading:
            led += 1
            assert terms.setdefault(elector.term, elector.identity) == elector.identity
            assert elector.term == max(terms)
    assert led > 200
    assert len(terms) >= 2
