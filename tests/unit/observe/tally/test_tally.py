"""What a look leaves in the journal: bounded, without labels, enough to go on from."""

import pytest

from rollout.decide.record.tally import LookTally, cluster
from rollout.observe.tally.digests import DigestKey
from rollout.observe.tally.standing import Standing, Standings
from tests.support.asking import ERRORS
from tests.support.scraped import WrittenPrometheus
from tests.support.tallied import TalliedRollout

RATE, SCRAPE = "envoy_cluster_upstream_rq", 15.0


def tally(until=1.0):
    return LookTally(canary=(1, 0), stable=(2, 0), key="k", until=until)


def test_few_times_stay_as_they_are():
    assert cluster({30.0: 2, 15.0: 1}, SCRAPE) == ((15.0, 1), (30.0, 2))


def test_many_times_become_few_and_lose_no_series_nor_the_newest_time():
    times = {at / 100: 1 + at % 3 for at in range(0, 9000, 7)}
    clustered = cluster(times, SCRAPE)
    assert len(clustered) < 80
    assert sum(number for _, number in clustered) == sum(times.values())
    assert clustered[-1][0] == max(times)
    fresh = [at for at, _ in clustered if at > max(times) - 3 * SCRAPE]
    for at in times:  # of the last scrapes each has its group's time, within a sixteenth of one
        if at > max(times) - 2 * SCRAPE:
            assert min(abs(at - other) for other in fresh) <= SCRAPE / 16


def test_digests_need_the_key_and_differ_by_rollout():
    one_key, other = DigestKey(b"a" * 32), DigestKey(b"b" * 32)
    name = one_key.of("demo", "errors")
    assert name("pod=1") == one_key.of("demo", "errors")("pod=1") != name("pod=2")
    assert name("pod=1") != one_key.of("retry", "errors")("pod=1")
    assert name("pod=1") != other.of("demo", "errors")("pod=1")
    assert one_key.id != other.id
    assert "aaaa" not in repr(one_key)


def test_a_standing_is_that_of_the_tally_that_a_state_has():
    standings = Standings()
    first, second, third = (Standing(words=(word,)) for word in "abc")
    standings.keep("r", "errors", None, tally(1), first)
    assert standings.recall("r", "errors", tally(1)) == first
    standings.keep("r", "errors", tally(1), tally(2), second)
    assert standings.recall("r", "errors", tally(1)) == first  # it may not have been recorded
    assert standings.recall("r", "errors", tally(2)) == second
    standings.keep("r", "errors", tally(2), tally(3), third)
    assert standings.recall("r", "errors", tally(1)) is None


def test_standings_of_rollouts_that_nobody_asks_for_are_dropped():
    standings = Standings()
    standings.forget_ended(["old", "new"], 0.0)
    for rollout in ("old", "new"):
        standings.keep(rollout, "errors", None, tally(), Standing())
    standings.forget_ended(["new"], 8000.0)
    assert standings.recall("old", "errors", tally()) is None
    assert standings.recall("new", "errors", tally()) == Standing()


class LatePods:
    """Two pods, of which one's samples can be read some seconds after the other's."""

    def __init__(self):
        self.server = WrittenPrometheus()
        self.rollout = TalliedRollout(self.server, ERRORS, SCRAPE)

    def write(self, scrape, pod, value):
        labels = {
            "destination_service": "summarizer",
            "destination_version": "v1" if pod == "a" else "v2",
            "envoy_response_code": "200",
            "job": "pods",
            "instance": f"{pod}:1",
        }
        self.server.write(RATE, labels, scrape * SCRAPE, value)


@pytest.mark.parametrize("restarts", [False, True])
def test_a_sample_that_becomes_visible_late_is_counted_once_whoever_leads(restarts):
    lab = LatePods()
    for scrape in range(8):
        lab.write(scrape, "a", 100 * scrape)
        if scrape < 5:
            lab.write(scrape, "b", 10 * scrape)
        if scrape >= 3:
            lab.rollout.look(scrape * SCRAPE + 1)
    assert lab.rollout.mark is not None
    assert lab.rollout.mark.behind
    for scrape in range(5, 8):  # they were scraped in time, and can be read only now
        lab.write(scrape, "b", 10 * scrape)
    if restarts:
        lab.rollout.restart()
    for pod, value in (("a", 800), ("b", 80)):
        lab.write(8, pod, value)
    lab.rollout.look(8 * SCRAPE + 1)
    assert (lab.rollout.total.stable, lab.rollout.total.canary) == ((500, 0), (50, 0))


def test_of_more_late_targets_than_are_listed_units_are_lost_never_counted_twice_and_it_is_said(
    monkeypatch,
):
    monkeypatch.setattr("rollout.observe.tally.sums.MOST_LISTED", 0)
    lab = LatePods()
    for scrape in range(8):
        lab.write(scrape, "a", 100 * scrape)
        if scrape < 5:
            lab.write(scrape, "b", 10 * scrape)
        if scrape >= 3:
            lab.rollout.look(scrape * SCRAPE + 1)
    for scrape in range(5, 8):
        lab.write(scrape, "b", 10 * scrape)
    lab.rollout.restart()
    for pod, value in (("a", 800), ("b", 80)):
        lab.write(8, pod, value)
    lab.rollout.look(8 * SCRAPE + 1)
    assert (lab.rollout.total.stable, lab.rollout.total.canary) == ((500, 0), (20, 0))
    assert "1 targets that were behind" in lab.rollout.unbelieved[0]


@pytest.mark.parametrize("restarts", [False, True])
def test_a_target_that_is_silent_for_long_is_never_born_again(restarts):
    """Its process shows a start after the baseline, and yet its counts were counted once."""
    lab = LatePods()
    begun = 3 * SCRAPE + 2
    target = {"job": "pods", "instance": "b:1"}

    def scrape_b(scrape):
        lab.write(scrape, "b", 10 * scrape)
        lab.server.write("envoy_server_uptime", target, scrape * SCRAPE, scrape * SCRAPE - begun)
        lab.server.write("up", target, scrape * SCRAPE, 1)

    for scrape in range(30):
        lab.write(scrape, "a", 100 * scrape)
        if 4 <= scrape < 8:
            scrape_b(scrape)
        if scrape >= 3:
            lab.rollout.look(scrape * SCRAPE + 1)
    before = lab.rollout.total.canary[0]
    assert before == 70
    if restarts:
        lab.rollout.restart()
    for scrape in range(30, 33):
        lab.write(scrape, "a", 100 * scrape)
        scrape_b(scrape)
        lab.rollout.look(scrape * SCRAPE + 1)
    assert lab.rollout.total.canary[0] == (before + 20 if restarts else 320)
    assert any("is new" in words for words in lab.rollout.unbelieved) is restarts
