"""What a rollout says of traffic that does not follow its last write, in a real mesh."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.live.operating import PLANS, start_operate
from tests.live.pipeline import until
from tests.mesh.story import Story
from tests.mesh.world import NAMESPACE, wait_for
from tests.support.manifests import role_rules

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]

STORY = Story(
    "cutoff", "subsets", spec={"ramp": {"steps": ["50%"], "bake": "2m"}, "followWithin": "12s"}
)


def status(world, name):
    answer = world.cluster.ask("GET", f"{PLANS.format(NAMESPACE)}/{name}")
    return answer.get("status") or {}


def condition(world, name, kind):
    items = status(world, name).get("conditions", [])
    return next((item for item in items if item["type"] == kind), {})


def surefoot(*arguments):
    command = [sys.executable, "-m", "rollout.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)


@pytest.fixture
def asked(world, tmp_path):
    """A rollout at 50 % under load, and its journal."""
    world.cluster.allow("surefoot", NAMESPACE, *role_rules("base/role.yaml"))
    world.apply(*STORY.manifests())
    wait_for(world.sidecars, STORY.host)
    plan, journal = STORY.plan(world.prometheus), tmp_path / "journal.db"
    name = plan["metadata"]["name"]
    config = world.cluster.config("surefoot")
    with start_operate(config, NAMESPACE, journal, tmp_path / "operate.log"):
        world.apply(plan)
        world.traffic.flow(*STORY.streams(world))
        try:
            until(lambda: status(world, name).get("weight") == "50%", "50 % is confirmed", 60)
            yield name, journal
        finally:
            world.traffic.rest()
            world.cluster.kubectl("delete", "rolloutplan", name, "-n", NAMESPACE)


def test_an_abort_that_no_proxy_hears_of_is_an_alarm_until_traffic_follows(world, asked):
    name, journal = asked
    world.istiod.stop()
    try:
        surefoot("abort", name, "--journal", str(journal), "--reason", "a drill")
        until(lambda: status(world, name).get("phase") == "rolled back", "its end", 60)
        alarm = condition(world, name, "TrafficFollows")
        assert (alarm["status"], alarm["reason"]) == ("False", "NotFollowed")
        assert "v2 got" in alarm["message"]
        assert condition(world, name, "RolledBack")["status"] == "True"
    finally:
        world.istiod.start()
    until(
        lambda: condition(world, name, "TrafficFollows").get("status") == "True",
        "traffic follows once the proxies hear of it",
        60,
    )
