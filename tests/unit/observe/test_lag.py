"""Samples that come late, all alike or series by series, are counted once and in full."""

from __future__ import annotations

import pytest

from rollout.observe.query import queries
from tests.support.asking import ERRORS, ask
from tests.support.scraped import ObservedRollout, WrittenPrometheus
from tests.support.tallied import TalliedRollout

SCRAPE, START = 1.0, 10_000.0
BASE = {"destination_service": "summarizer", "envoy_response_code": "200"}
LAST = START + 158


def watch(delays, lag="30s", begin=ObservedRollout):
    """Look every 2 s for two minutes while each pod's samples come so much later."""
    server = WrittenPrometheus()
    rollout = begin(server, {**ERRORS, "lag": lag}, SCRAPE)
    pending = [
        (START + n + delay, {**BASE, "destination_version": version, "pod": pod}, START + n, n * 10)
        for (version, pod), delay in delays.items()
        for n in range(200)
    ]
    for now in (START + 40 + 2 * step for step in range(60)):
        for row in [row for row in pending if row[0] <= now]:
            server.write("envoy_cluster_upstream_rq", *row[1:])
            pending.remove(row)
        rollout.look(now)
        assert rollout.problem == ""
    return rollout, sorted(at for at, _ in rollout.cursor.last.values())


@pytest.mark.parametrize("delay", [0, 5, 20, 29])
def test_samples_with_times_in_the_past_are_read(delay):
    rollout, newest = watch({("v1", "a"): delay, ("v2", "b"): delay})
    assert newest == [LAST - delay] * 2
    assert rollout.total.stable_exposures == rollout.total.canary_exposures > 1000


def test_series_that_are_late_by_different_times_lose_nothing():
    delays = {("v1", "a"): 0, ("v1", "b"): 20, ("v2", "c"): 11, ("v2", "d"): 0}
    alike, _ = watch(dict.fromkeys(delays, 0))
    rollout, newest = watch(delays)
    assert newest == [LAST - delay for delay in (20, 11, 0, 0)]
    # What is not there yet is no more than its lag holds, at 10 requests a scrape.
    assert 0 <= alike.total.stable_exposures - rollout.total.stable_exposures <= 10 * 20
    assert 0 <= alike.total.canary_exposures - rollout.total.canary_exposures <= 10 * 11


def test_what_the_observer_counts_itself_loses_nothing_either():
    delays = {("v1", "a"): 0, ("v1", "b"): 20, ("v2", "c"): 11, ("v2", "d"): 0}
    plain, _ = watch(delays)
    counted, _ = watch(delays, begin=TalliedRollout)
    assert counted.total == plain.total


def test_the_window_reaches_back_by_the_lag():
    windows = [
        int(query.text.rpartition("[")[2].rstrip("s]"))
        for lag in ("0s", "30s")
        for query in queries([ask(guardrails=[{**ERRORS, "lag": lag}], scrape="1s")], START)
    ]
    assert windows[1] - windows[0] == 30
