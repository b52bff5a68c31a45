"""Three versions in a row through the shipped trigger, by two Deployments that take turns."""

from __future__ import annotations

import pytest

from tests.live.pipeline import until
from tests.live.turns import NAME, VERSIONS

pytestmark = pytest.mark.live


def test_versions_take_turns_and_an_undo_waits_for_the_pods_of_the_old_one(turns):
    turns.serve()
    turns.deploy("blue", "v1")
    until(lambda: turns.ready_pods() == ["v1", "v1"], "v1's endpoints")
    turns.watch()
    with turns.replica.term() as tick, turns.replica.watching():
        turns.pass_time(tick, lambda: turns.trigger().get("reason") == "Stable", "v1 is stable")
        assert turns.plans() == {}
        for turn, version in (("green", "v2"), ("blue", "v3"), ("green", "v4")):
            promote(turns, tick, turn, version)
        undo_without_pods(turns, tick)
    assert [*turns.plans()] == [f"{NAME}-{version}" for version in VERSIONS[1:]]
    assert turns.problems == []


def promote(turns, tick, turn, version):
    """A new version in the Deployment whose turn it is, until it is stable."""
    turns.deploy(turn, version)
    plan = f"{NAME}-{version}"

    def is_recorded():
        return turns.plans().get(plan, {}).get("stable") == version

    turns.pass_time(tick, is_recorded, f"{version} is stable")
    assert turns.plans()[plan]["phase"] == "promoted"
    assert turns.ready_pods().count(version) == 2, "stable has endpoints"
    assert turns.traffic() == sole(version), "stable gets all traffic"


def undo_without_pods(turns, tick):
    """The last promotion is taken back when the version before it has pods again."""
    plan = f"{NAME}-v4"
    turns.deploy("blue", "v3", replicas=0)
    turns.pass_time(tick, lambda: "v3" not in turns.ready_pods(), "v3 has no pods")
    turns.annotate(plan, "surefoot.dev/undo=ticket 7")
    turns.pass_time(tick, lambda: turns.refusal(plan), "the undo is refused")
    subset = f"subset v3 of {NAME} in namespace {turns.namespace}"
    assert turns.refusal(plan).startswith(f"undo: v3 has no ready endpoint ({subset})")
    assert turns.traffic() == sole("v4")
    turns.deploy("blue", "v3")
    turns.pass_time(tick, lambda: turns.plans()[plan]["stable"] == "v3", "v3 is stable again")
    assert "v3" in turns.ready_pods()
    assert turns.traffic() == sole("v3")


def sole(version):
    """All traffic of the example's routes to a version."""
    return {route: {version} for route in ("summaries", "streams")}
