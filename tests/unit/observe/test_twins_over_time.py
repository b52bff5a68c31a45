"""One target under two jobs, of which one ends or takes turns: every unit counts, and once."""

from collections import Counter

import pytest

from tests.support.asking import ERRORS
from tests.support.scraped import WrittenPrometheus
from tests.support.tallied import TalliedRollout

RATE, SCRAPE, FIRST, LAST = "envoy_cluster_upstream_rq", 15.0, 6, 40
SERVED = {("v1", "200"): 20, ("v1", "503"): 1, ("v2", "200"): 6, ("v2", "503"): 1}


def only(*jobs):
    return lambda _scrape: jobs


def until(end, before, after):
    return lambda scrape: before if scrape < end else after


def in_turn(scrape):
    turns = {range(14): "a", range(14, 20): "b", range(20, 26): "a", range(30, 35): "b"}
    return next((own for own in turns.items() if scrape in own[0]), (None, "ab"))[1]


def roll_out(list_jobs, restarts):
    """The rollout after all looks, and what was served since the first one, by version."""
    server, served = WrittenPrometheus(), Counter[str]()
    rollout = TalliedRollout(server, ERRORS, SCRAPE)
    counts = {f"10.0.0.{n}:1": Counter(dict.fromkeys(SERVED, 70_000 * n)) for n in (1, 2)}
    for scrape in range(LAST):
        for instance, own in counts.items():
            own.update(SERVED)
            for (version, code), value in own.items():
                served[version] += SERVED[version, code] * (scrape > FIRST)
                for job in list_jobs(scrape):
                    at = scrape * SCRAPE + 3 * (job == "b")
                    labels = {"job": job, "instance": instance, "envoy_response_code": code}
                    arm = {"destination_service": "summarizer", "destination_version": version}
                    server.write(RATE, labels | arm, at, value)
        if scrape >= FIRST:
            if restarts and scrape % 4 == 0:
                rollout.restart()
            rollout.look(scrape * SCRAPE + 5)
    return rollout, served


@pytest.mark.parametrize("many", [1, 10**6])
@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize(
    "list_jobs",
    [
        only("a", "b"),
        until(15, "a", "ab"),
        until(15, "a", "b"),  # the job is renamed
        until(15, "ab", "b"),
        in_turn,
    ],
)
def test_every_unit_counts_once(list_jobs, restarts, many, monkeypatch):
    for reader in ("parse", "tally.counter", "tally.large"):
        monkeypatch.setattr(f"rollout.observe.{reader}.MANY", many)
    rollout, served = roll_out(list_jobs, restarts)
    assert not rollout.problem
    assert rollout.total.canary_exposures == served["v2"]
    assert rollout.total.stable_exposures == served["v1"]
