"""What a rollout says of traffic that does not follow its last write, in a real mesh."""

from __future__ import annotations

import time
from functools import partial

import pytest

from rollout.decide.record.route_facts import Followed
from tests.live.operating import PLANS, start_operate
from tests.live.pipeline import surefoot, until
from tests.live.record import Record
from tests.mesh.story import Story
from tests.mesh.world import NAMESPACE, wait_for
from tests.support.manifests import role_rules

# All rollouts stand at 50 % once, and each is aborted once.
pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]

LOOKS = 5.0  # seconds in which some looks count the requests since a write
STEP = {"steps": ["50%"], "bake": "4m"}


def at_half(service, follow_within):
    return Story(service, "subsets", spec={"ramp": STEP, "followWithin": follow_within})


ONE_PROXY = at_half("one-proxy", "40s")
HEALED, VOUCHED = at_half("healed", "10s"), at_half("vouched", "10s")


class Asked:
    """What a user asks of the rollouts, and what is answered."""

    def __init__(self, world, journal):
        self.world, self.journal = world, journal

    def plan(self, story, canary="v2"):
        document = story.plan(self.world.prometheus)
        document["metadata"]["name"] = f"{story.service}-{canary}"
        document["spec"]["canary"]["version"] = canary
        return document

    def abort(self, story):
        self.say("abort", story)

    def say(self, command, story):
        name = f"{story.service}-v2"
        done = surefoot(command, name, "--journal", self.journal, "--reason", "a drill")
        assert done.returncode == 0, done.stderr

    def status(self, story, canary="v2"):
        path = f"{PLANS.format(NAMESPACE)}/{story.service}-{canary}"
        return self.world.cluster.ask("GET", path).get("status") or {}

    def shows(self, story, **wanted):
        status = self.status(story)
        return all(status.get(name) == value for name, value in wanted.items())

    def condition(self, story, kind, canary="v2"):
        conditions = self.status(story, canary).get("conditions", [])
        return next((item for item in conditions if item["type"] == kind), {"status": ""})

    def follows(self, story):
        return self.condition(story, "TrafficFollows")

    def events(self, story):
        """The reasons of the Events about its first plan."""
        path = f"/api/v1/namespaces/{NAMESPACE}/events"
        events = self.world.cluster.ask("GET", path)["items"]
        name = f"{story.service}-v2"
        return {event["reason"] for event in events if event["involvedObject"]["name"] == name}

    def outcomes(self, story):
        followed = Record(self.journal).facts(Followed)
        return [fact.outcome for fact in followed if fact.rollout.startswith(story.service)]


@pytest.fixture(scope="module")
def asked(world, tmp_path_factory):
    """Three rollouts at 50 % under load, and their journal."""
    folder, stories = tmp_path_factory.mktemp("following"), (ONE_PROXY, HEALED, VOUCHED)
    world.cluster.allow("surefoot", NAMESPACE, *role_rules("base/role.yaml"))
    world.apply(*[manifest for story in stories for manifest in story.manifests()])
    for story in stories:
        wait_for(world.sidecars, story.host)
    asking = Asked(world, folder / "journal.db")
    config = world.cluster.config("surefoot")
    with start_operate(config, NAMESPACE, asking.journal, folder / "operate.log"):
        world.apply(*map(asking.plan, stories))
        world.traffic.flow(*[stream for story in stories for stream in story.streams(world)])
        try:
            for story in stories:
                until(partial(asking.shows, story, weight="50%"), f"{story.service} at 50 %", 60)
            yield asking
        finally:
            world.traffic.rest()
            names = [f"{story.service}-v2" for story in stories]
            world.cluster.kubectl("delete", "rolloutplan", *names, "-n", NAMESPACE)


def test_a_rollback_is_not_seen_while_one_envoy_of_two_is_cut_off(world, asked):
    far = world.sidecars[1]
    far.line.through.clear()
    try:
        asked.abort(ONE_PROXY)
        until(lambda: asked.shows(ONE_PROXY, phase="following"), "the object shows it", 30)
        time.sleep(LOOKS)
        assert asked.shows(ONE_PROXY, phase="following", weight="0%")
        assert asked.follows(ONE_PROXY)["status"] == "Unknown"
    finally:
        far.line.through.set()
    until(lambda: asked.shows(ONE_PROXY, phase="rolled back"), "its end", 60)
    until(lambda: asked.follows(ONE_PROXY)["status"] == "True", "it is seen", 10)
    assert asked.outcomes(ONE_PROXY) == ["seen"]


def test_an_abort_that_no_proxy_hears_of_is_an_alarm_and_the_next_rollout_waits(world, asked):
    world.istiod.stop()
    try:
        for story in (HEALED, VOUCHED):
            asked.abort(story)
        for story in (HEALED, VOUCHED):
            until(partial(asked.shows, story, phase="rolled back"), f"{story.service}'s end", 60)
            alarm = asked.follows(story)
            assert (alarm["status"], alarm["reason"]) == ("False", "NotFollowed")
            assert "v2 got" in alarm["message"]
            assert asked.condition(story, "RolledBack")["status"] == "True"
        check_next_waits(world, asked)
    finally:
        world.istiod.start()
    until(lambda: asked.follows(HEALED)["status"] == "True", "proxies hear of it", 60)
    assert asked.outcomes(HEALED) == ["not followed", "seen"]
    both = {"TrafficNotFollowed", "TrafficFollows"}
    until(lambda: asked.events(HEALED) >= both, "an Event of either", 10)


def check_next_waits(world, asked):
    """The service's next rollout begins once a person says that traffic follows."""

    def accepted():
        return asked.condition(VOUCHED, "Accepted", "v3")

    world.apply(asked.plan(VOUCHED, "v3"))
    try:
        until(lambda: accepted()["status"] == "False", "the next plan's answer", 20)
        assert accepted()["reason"] == "Refused"
        assert "does not follow the end of vouched-v2" in accepted()["message"]
        assert "surefoot confirm vouched-v2" in accepted()["message"]
        asked.say("confirm", VOUCHED)
        until(lambda: accepted()["status"] == "True", "it begins", 20)
        vouched = asked.follows(VOUCHED)
        assert (vouched["status"], vouched["reason"]) == ("True", "ConfirmedByAPerson")
    finally:
        world.cluster.kubectl("delete", "rolloutplan", "vouched-v3", "-n", NAMESPACE)
