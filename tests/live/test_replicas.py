"""Several replicas of `surefoot operate`: one decides, another one takes over."""

from __future__ import annotations

import time

import pytest

from tests.live.pipeline import until
from tests.live.replicas import DURATION, Replicas

pytestmark = pytest.mark.live


@pytest.fixture
def replicas(cluster, namespace, server, tmp_path):
    running = Replicas(cluster, namespace, server.new(), tmp_path)
    yield running
    for each in running.processes:
        each.stop()


def test_one_decides_and_the_other_takes_over_after_a_kill_and_at_once_after_an_end(replicas):
    replicas.apply()
    for _ in range(2):
        replicas.start()
    assert replicas.elected(1) == [1]
    until(lambda: replicas.status().get("phase") == "waiting", "it is taken up", 20)
    second = replicas.standby()
    until(lambda: "decides while it holds" in second.tail(), "the standby is up", 20)
    time.sleep(1)  # it has seen the Lease
    killed = time.monotonic()
    replicas.leader().kill()
    third = replicas.start()
    assert replicas.elected(2) == [1, 2]
    took = time.monotonic() - killed
    assert DURATION * 2 / 3 < took < DURATION + 6  # the rest is this machine's other work
    replicas.say("promote")
    replicas.settled([0, 100])
    until(lambda: "decides while it holds" in third.tail(), "the standby is up", 20)
    ended = time.monotonic()
    replicas.leader().stop()
    assert replicas.elected(3) == [1, 2, 3]
    assert time.monotonic() - ended < DURATION
    assert len({fact.controller for fact in replicas.facts("elected")}) == 3
    assert replicas.facts("refused") == []
    assert all("problem" not in each.tail(50) for each in (second, third))
