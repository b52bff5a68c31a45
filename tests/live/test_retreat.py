"""A canary whose pods stop to be ready, in a cluster with Kubernetes' own controllers."""

from __future__ import annotations

import pytest

from rollout.decide.record.facts import Decided
from tests.live.node import READY, UNREADY
from tests.live.pipeline import until
from tests.live.turns import NAME

pytestmark = pytest.mark.live

PLAN = f"{NAME}-v2"
LOOK = 30.0  # seconds from one look of the example to the next
BLIND_AFTER = 2 * LOOK  # without a sample
WHEN_BLIND = 900.0  # what a plan holds for by itself


def moves(turns):
    """What was decided of the weights."""
    return [fact for fact in turns.facts(Decided) if fact.action != "hold"]


def shows(turns, **wanted):
    status = turns.plans().get(PLAN, {})
    return all(status.get(name) == value for name, value in wanted.items())


def lose(turns):
    """No pod of the canary is ready any more, and nothing is counted for it."""
    turns.cluster.node.set_state(turns.namespace, {"version": "v2"}, UNREADY)
    turns.router.deaf = True
    until(lambda: "v2" not in turns.ready_pods(), "v2 has no endpoint")
    return turns.clock.now()


def regain(turns):
    turns.cluster.node.set_state(turns.namespace, {"version": "v2"}, READY)
    turns.router.deaf = False
    until(lambda: turns.ready_pods().count("v2") == 2, "v2's endpoints are back")


def test_a_canary_without_pods_loses_its_weight_and_climbs_again_with_them(turns):
    turns.serve()
    turns.deploy("blue", "v1")
    until(lambda: turns.ready_pods() == ["v1", "v1"], "v1's endpoints")
    turns.watch(ramp={"steps": ["5%", "50%"], "bake": "2m"})
    with turns.replica.term() as tick, turns.replica.watching():
        turns.pass_time(tick, lambda: turns.trigger().get("reason") == "Stable", "v1 is stable")
        turns.deploy("green", "v2")
        turns.pass_time(tick, lambda: shows(turns, weight="50%"), "v2 has 50 %")
        lost_at = lose(turns)
        turns.pass_time(tick, lambda: shows(turns, phase="retreated"), "the retreat")
        retreat = moves(turns)[-1]
        assert (retreat.action, retreat.reasons) == ("retreat", ("one-armed",))
        assert retreat.at - lost_at <= BLIND_AFTER + 2 * LOOK
        turns.pass_time(tick, lambda: shows(turns, weight="0%"), "it is written")
        assert turns.traffic() == {route: {"v1"} for route in ("summaries", "streams")}
        later = turns.clock.now() + WHEN_BLIND + LOOK
        turns.pass_time(tick, lambda: turns.clock.now() >= later, "longer than `whenBlind`")
        assert shows(turns, phase="retreated", weight="0%")
        assert moves(turns)[-1] == retreat
        regain(turns)
        turns.pass_time(tick, lambda: shows(turns, weight="50%"), "it climbs again")
    climbed = moves(turns)[moves(turns).index(retreat) + 1 :]
    assert [(fact.action, fact.split.share) for fact in climbed] == [
        ("advance", 0.05),
        ("advance", 0.5),
    ]
    assert turns.problems == []
