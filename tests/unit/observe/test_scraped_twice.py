"""One process that one job scrapes twice; several behind one address with times of their own."""

from dataclasses import dataclass

import pytest

from tests.support.asking import ERRORS
from tests.support.scraped import ObservedRollout, WrittenPrometheus
from tests.support.tallied import TalliedRollout, reading_in_bulk

RATE, SCRAPE, LAST = "envoy_cluster_upstream_rq", 15.0, 12


@dataclass
class TwiceScraped:
    """A server with samples of stable, and a rollout that looks at it after each scrape."""

    rollout: ObservedRollout
    server: WrittenPrometheus

    def write(self, version, after, first, each_time=10, **labels):
        """Write a counter that is scraped some seconds after the round time."""
        named = {"destination_service": "summarizer", "destination_version": version}
        named |= {"envoy_response_code": "200", "job": "one", "instance": "i:1"} | labels
        for n in range(LAST + 1):
            self.server.write(RATE, named, n * SCRAPE + after, first + each_time * n)

    def count(self):
        for n in range(3, LAST + 1):
            self.rollout.look(n * SCRAPE + 8)
        return self.rollout.total.canary or (0, 0)


def make_lab(rollout):
    server = WrittenPrometheus()
    lab = TwiceScraped(rollout(server, ERRORS, SCRAPE), server)
    lab.write("v1", 0, 1000, 100, instance="s:1")
    return lab


@pytest.fixture
def lab():
    return make_lab(TalliedRollout)


ONE_JOB = {
    "a pod behind two Services": ({"instance": "i:1", "service": "a"}, {"service": "b"}),
    "a target that is listed twice": ({"instance": "i:1"}, {"team": "x"}),
    "a server's label of another name": (
        {"instance": "i:1", "cluster_replica": "0"},
        {"cluster_replica": "1"},
    ),
    "two ports of a pod": ({"instance": "i:1", "pod": "x"}, {"instance": "i:2"}),
}


@pytest.mark.parametrize("way", ONE_JOB)
@pytest.mark.parametrize("rollout", [ObservedRollout, TalliedRollout])
@pytest.mark.parametrize("many", [1, 10**9])
def test_one_process_that_one_job_scrapes_twice_is_refused_by_name(way, rollout, many):
    first, second = ONE_JOB[way]
    lab = make_lab(rollout)
    lab.write("v2", 0, 100, **first)
    lab.write("v2", 7.5, 102, **{**first, **second})
    with reading_in_bulk(many):
        assert lab.count() == (0, 0)
    assert "one process seems to be scraped twice" in lab.rollout.problem
    assert '"' not in lab.rollout.problem
    assert "i:1" not in lab.rollout.problem


@pytest.mark.parametrize(
    ("after", "own"),
    [(0, {"route": "x"}), (7.5, {"pod": "x"}), (7.5, {"instance": "j:1"}), (7.5, {"worker": "2"})],
)
def test_series_of_other_processes_and_of_one_scrape_all_count(lab, after, own):
    """Two of one scrape share its time; whatever names another process is one."""
    lab.write("v2", 0, 100, instance="i:1")
    lab.write("v2", after, 102, **{"instance": "i:1", **own})
    assert lab.count() == (180, 0)


def test_a_series_that_gets_its_old_name_back_is_not_scraped_twice(lab):
    names = {"destination_service": "summarizer", "destination_version": "v2"}
    names |= {"envoy_response_code": "200", "job": "one", "instance": "i:1"}
    for n in range(LAST + 1):
        cell = {"cell": "a"} if n % 4 < 2 else {}
        lab.server.write(RATE, names | cell, n * SCRAPE, 100 + 10 * n)
    counted, _ = lab.count()
    assert counted <= 90
    assert not lab.rollout.problem


@pytest.mark.parametrize("many", [1, 10**9])
@pytest.mark.parametrize("ahead", [0, 7, 4000])
def test_a_collector_that_keeps_the_times_of_its_pods_loses_nothing(lab, many, ahead):
    """A time that one pod's series lack is no scrape that they missed."""
    for pod in range(3):
        for code, each_time in (("200", 10), ("503", 4)):
            own = {"envoy_response_code": code, "pod": f"p{pod}", "instance": "otel:1"}
            lab.write("v2", -3 * pod, 50 + ahead * pod, each_time, **own)
    with reading_in_bulk(many):
        assert lab.count() == (9 * 3 * 14, 9 * 3 * 4)
    assert not lab.rollout.unbelieved
