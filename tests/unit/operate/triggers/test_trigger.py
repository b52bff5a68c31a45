"""Triggers: each new version of a Deployment becomes one plan, once, when its pods are ready."""

from __future__ import annotations

import copy
import json
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from rollout.errors import ClusterError
from rollout.kube.templates import TemplateReader
from rollout.operate.triggers.trigger import Triggers
from rollout.plan.kube.resource import APPLIED, name_of, plan_of
from rollout.plan.kube.trigger import LABEL, plan_for, plan_name, watched_of
from rollout.tick.bulkheads import Bulkheads
from rollout.tick.fleet import Fleet
from tests.support.plans import Operated, resource
from tests.support.worlds import GOOD

ROOT = Path(__file__).parents[4]


LABELS = {"app": "summarizer"}


def deployment(version="v2", ready=2, name="summarizer", **status):
    counts = {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2}
    return {
        "metadata": {"name": name, "namespace": "default", "generation": 1, "labels": LABELS},
        "spec": {"replicas": 2, "template": {"metadata": {"labels": {"version": version}}}},
        "status": counts | {"availableReplicas": ready} | status,
    }


def changed(held, **spec):
    """A Deployment with other values in its spec."""
    return held | {"spec": held["spec"] | spec}


def many(*versions):
    """A Deployment for each version, the oldest first."""
    deployments = [deployment(version, name=f"summarizer-{version}") for version in versions]
    for number, held in enumerate(deployments):
        held["metadata"]["creationTimestamp"] = f"2026-01-0{number + 1}T00:00:00Z"
    return deployments


def trigger(**spec):
    plan = resource()["spec"]
    del plan["canary"]
    metadata = {"name": "auto", "namespace": "default", "generation": 3, "resourceVersion": "7"}
    watched = {} if "deployment" in spec else {"selector": LABELS}
    return {"metadata": metadata, "spec": {**watched, "plan": plan, **spec}}


@dataclass
class HeldResources:
    """The resources of one kind, as an informer knows them."""

    objects: list[Any] = field(default_factory=list)

    def list(self):
        return copy.deepcopy(self.objects)


class Auto(Operated):
    """An operated namespace with one trigger and one Deployment."""

    def restart(self):
        super().restart()
        self.triggers = getattr(self, "triggers", HeldResources([trigger()]))
        self.deployments = getattr(self, "deployments", HeldResources(many("v1", "v2")))
        self.triggering = Triggers(self.triggers, self.deployments)
        self.operator.triggers = self.triggering
        self.created = getattr(self, "created", [])

    def run(self, seconds=1.0):
        for _ in range(round(seconds / 0.5)):
            super().run(0.5)
            self.triggering.publish(self, self.clock.now())

    def create(self, _kind, _namespace, body):
        if name_of(body) in self.cluster.held:
            raise ClusterError("already there", 409)
        metadata = resource(body["metadata"]["name"], self.clock.now())["metadata"]
        self.cluster.apply({**body, "metadata": body["metadata"] | metadata})
        self.created.append(body["metadata"]["name"])

    def patch_status(self, _kind, _namespace, name, body):
        (held,) = self.triggers.objects
        assert name == "auto"
        if body["metadata"]["resourceVersion"] != held["metadata"]["resourceVersion"]:
            raise ClusterError("conflict", 409)
        held["status"] = body["status"]

    def trigger_status(self):
        return self.triggers.objects[0]["status"]

    def ended(self, plan):
        states = [state for state in self.states.values() if state.plan.name == plan]
        return states and states[0].is_terminal


@pytest.fixture
def world():
    return Auto()


def test_each_version_is_rolled_out_once_and_from_the_recorded_stable(world):
    world.run(2)
    assert world.created == ["auto-v2"]
    plan = world.cluster.held["default/auto-v2"]
    assert plan["metadata"]["labels"] == {LABEL: "auto"}
    assert (plan["spec"]["stable"], plan["spec"]["canary"]) == (
        {"version": "v1"},
        {"version": "v2"},
    )
    world.run_until(lambda: world.ended("auto-v2"))
    world.run()
    assert (world.trigger_status()["reason"], world.trigger_status()["acted"]) == (
        "ActedOn",
        ["v2"],
    )
    world.deployments.objects = many("v1", "v2", "v3")
    world.run_until(lambda: world.ended("auto-v3"))
    assert world.created == ["auto-v2", "auto-v3"]
    assert world.cluster.held["default/auto-v3"]["spec"]["stable"] == {"version": "v2"}


def test_a_version_that_comes_meanwhile_waits_its_turn(world):
    world.run(2)
    world.deployments.objects = many("v1", "v2", "v3")
    world.run(2)
    assert world.created == ["auto-v2"]
    assert world.trigger_status()["reason"] == "Waiting"
    assert "is being rolled out by auto-v2" in world.trigger_status()["message"]
    world.run_until(lambda: "auto-v3" in world.created)


@pytest.mark.parametrize(
    ("deployment", "words"),
    [
        (
            deployment(ready=1),
            "waiting for the Deployment: 1 of 2 new pods are ready, 0 old pods left",
        ),
        (
            deployment(replicas=3),
            "waiting for the Deployment: 2 of 2 new pods are ready, 1 old pods left",
        ),
        (
            deployment(observedGeneration=0),
            "waiting for the Deployment: 0 of 2 new pods are ready, 2 old",
        ),
        (
            # a surge: two old pods serve on until the new ones are ready
            deployment(replicas=3, updatedReplicas=1, ready=3),
            "waiting for the Deployment: 1 of 2 new pods are ready, 2 old pods left",
        ),
        (
            changed(deployment(updatedReplicas=0), paused=True),
            "0 of 2 new pods are ready, 2 old pods left; it is paused",
        ),
    ],
)
def test_pods_that_are_not_ready_are_waited_for(world, deployment, words):
    world.deployments.objects = [many("v1")[0], deployment]
    world.run(2)
    assert world.created == []
    assert words in world.trigger_status()["message"]


def test_a_paused_deployment_of_stable_with_another_template_keeps_its_pods_for_now(world):
    (v1,) = many("v1")
    template = {"metadata": {"labels": {"version": "v2"}}}
    world.deployments.objects = [changed(v1, paused=True, template=template)]
    world.deployments.objects[0]["status"]["updatedReplicas"] = 0
    world.run(2)
    assert (world.created, world.trigger_status()["reason"]) == ([], "Invalid")
    message = world.trigger_status()["message"]
    assert "Deployment summarizer-v1 is paused with v2 in its template" in message
    assert "no watched Deployment runs" not in message


def leaving(held):
    """A Deployment that is deleted once its pods are gone; they are still ready."""
    return held | {"metadata": held["metadata"] | {"deletionTimestamp": "2026-01-09T00:00:00Z"}}


@pytest.mark.parametrize("change", [lambda held: changed(held, replicas=0), leaving])
def test_a_version_whose_pods_go_is_neither_rolled_out_nor_rolled_out_from(world, change):
    v1, v2 = many("v1", "v2")
    world.deployments.objects = [v1, change(v2)]
    world.run(2)
    assert (world.created, world.trigger_status()["reason"]) == ([], "Stable")
    world.deployments.objects = [change(v1), v2]
    world.run(2)
    assert (world.created, world.trigger_status()["reason"]) == ([], "Invalid")
    assert "no watched Deployment runs v1" in world.trigger_status()["message"]
    world.triggers.objects = [trigger(deployment="summarizer-v2")]
    world.deployments.objects = [change(v2)]
    world.run(2)
    assert (world.created, world.trigger_status()["reason"]) == ([], "Waiting")
    world.deployments.objects = [v2]
    world.run(2)
    assert world.created == ["auto-v2"], "once it comes back"


def test_a_version_that_loses_its_pods_after_its_plan_was_made_gets_no_weight(world):
    world.run(2)
    world.router.has_endpoints = False
    v1, v2 = many("v1", "v2")
    world.deployments.objects = [v1, changed(v2, replicas=0)]
    world.run(60)
    assert world.router.writes == []
    world.router.has_endpoints = True
    world.run(60)
    assert world.router.writes
    assert world.created == ["auto-v2"]


@pytest.mark.parametrize("restarts", [False, True])
def test_flagger_loses_a_version_that_it_sees_while_pods_are_not_ready(world, restarts):
    """It writes the version down as applied, begins nothing, and never looks at it again."""
    world.deployments.objects = [*many("v1"), deployment(ready=1)]
    world.run(5)
    assert (world.created, world.trigger_status()["acted"]) == ([], [])
    if restarts:
        world.restart()
    world.deployments.objects = [*many("v1"), deployment()]
    world.run(2)
    assert world.created == ["auto-v2"]
    world.deployments.objects = [
        *many("v1", "v2"),
        deployment("v3", ready=0),
    ]  # and while another is rolled out
    world.run(5)
    world.deployments.objects = many("v1", "v2", "v3")
    world.run_until(lambda: world.ended("auto-v3"))
    assert world.created == ["auto-v2", "auto-v3"]


def test_versions_in_quick_succession_are_each_acted_on_in_their_order(world):
    world.world.behaviours |= {"v4": GOOD, "v5": GOOD}
    world.operator.tick()  # wished, and not carried out yet
    world.deployments.objects = many("v1", "v3", "v4")
    world.run_until(lambda: world.ended("auto-v3"))
    world.run(1)
    world.deployments.objects = many("v1", "v3", "v4", "v5")
    world.restart()
    world.run_until(lambda: world.ended("auto-v5"), 900)
    assert world.created == ["auto-v3", "auto-v4", "auto-v5"]
    assert world.trigger_status()["acted"] == ["v3", "v4", "v5"]


def test_two_deployments_take_turns(world):
    world.run_until(lambda: world.ended("auto-v2"))
    green, blue = world.deployments.objects[1], deployment("v3", name="summarizer-v1")
    world.deployments.objects = [blue, green]
    world.run_until(lambda: world.ended("auto-v3"))
    assert world.created == ["auto-v2", "auto-v3"]
    assert world.operator.controller.fleet.stable("default", "summarizer") == "v3"


def test_a_deployment_that_serves_stable_is_never_rolled_out_from(world):
    """Its next version takes stable's pods away, whatever a plan says."""
    world.deployments.objects = [deployment("v2")]
    world.run(2)
    assert (world.created, world.trigger_status()["reason"]) == ([], "Invalid")
    assert "no watched Deployment runs v1" in world.trigger_status()["message"]
    world.triggers.objects = [trigger(deployment="summarizer")]
    for version in ("v1", "v2"):  # and also once it has the next version
        world.deployments.objects = [deployment(version)]
        world.run(2)
        assert (world.created, world.trigger_status()["reason"]) == ([], "Invalid")
        assert "watch them by `selector`" in world.trigger_status()["message"]


@pytest.mark.parametrize("pause", [0, 2])
def test_nor_is_one_that_is_deleted_and_made_anew_with_its_next_version(world, pause):
    """`kubectl replace --force`, or a Git tool that replaces."""
    world.triggers.objects = [trigger(deployment="summarizer")]
    world.deployments.objects = [deployment("v1")]
    world.run(2)
    world.deployments.objects = []
    world.run(pause)
    assert not pause or world.trigger_status()["reason"] == "NoDeployment"
    world.deployments.objects = [deployment("v2")]
    world.run(3)
    assert (world.created, world.trigger_status()["reason"]) == ([], "Invalid")


def test_a_trigger_that_is_edited_to_watch_another_one_is_valid_again(world):
    world.triggers.objects = [trigger(deployment="summarizer")]
    world.deployments.objects = [deployment("v1"), deployment("v2", name="summarizer-green")]
    world.run(2)
    assert world.trigger_status()["reason"] == "Invalid"
    world.triggers.objects[0]["spec"]["deployment"] = "summarizer-green"
    world.run_until(lambda: world.ended("auto-v2"))
    assert world.created == ["auto-v2"]


def test_one_named_deployment_beside_stable_carries_one_version(world):
    world.triggers.objects = [trigger(deployment="summarizer")]
    world.deployments.objects = [deployment("v2")]
    world.run_until(lambda: world.ended("auto-v2"))
    world.run(1)
    world.deployments.objects = [deployment("v3")]
    world.run(2)
    assert (world.created, world.trigger_status()["reason"]) == (["auto-v2"], "Invalid")


@pytest.mark.parametrize(
    ("arms", "is_invalid"),
    [
        ({"stable": "a", "canary": "b"}, True),
        ({"stable": "a-{version}", "canary": "b"}, True),
        ({"stable": "a-{version}", "canary": "a-{version}"}, False),
    ],
)
def test_arms_follow_the_versions(world, arms, is_invalid):
    world.triggers.objects[0]["spec"]["plan"]["route"]["envoy"]["clusters"] = arms
    world.run(2)
    assert (world.trigger_status()["reason"] == "Invalid") is is_invalid
    if is_invalid:
        assert "`plan.route.envoy.clusters`" in world.trigger_status()["message"]
        return
    route = world.cluster.held["default/auto-v2"]["spec"]["route"]
    assert route["envoy"]["clusters"] == {"stable": "a-v1", "canary": "a-v2"}


def test_a_trigger_that_is_refused_for_good_holds_up_no_other():
    first, second = trigger(), trigger()
    second["metadata"] = {**second["metadata"], "name": "other"}
    asked = []

    class RefusingCluster:
        def create(self, _kind, _namespace, body):
            asked.append(body["metadata"]["name"])
            if body["metadata"]["name"] == "auto-v2":
                raise ClusterError("denied by a webhook", 403)

        def patch_status(self, *_):
            return {}

    triggers = Triggers(HeldResources([first, second]), HeldResources(many("v1", "v2")))
    triggers.consider(lambda _name: False, Fleet(), Bulkheads(print), TemplateReader())
    with pytest.raises(ClusterError, match="auto: denied by a webhook"):
        triggers.publish(RefusingCluster(), 0.0)
    assert asked == ["auto-v2", "other-v2"]


def test_neither_a_deletion_nor_a_restart_makes_a_plan_again(world):
    world.run(2)
    world.run_until(lambda: world.ended("auto-v2"))
    world.cluster.delete("auto-v2")
    del world.triggers.objects[0]["status"]  # even where the status was lost, the journal knows
    world.restart()
    world.run(3)
    assert world.created == ["auto-v2"]


def test_a_plan_that_never_began_is_not_made_again_after_its_deletion(world):
    world.triggers.objects[0]["spec"]["plan"]["service"] = "summarizer"
    world.operator.plans = HeldResources()  # nobody takes plans up
    world.run(2)
    assert world.created == ["auto-v2"]
    world.cluster.delete("auto-v2")
    world.run(3)
    assert world.created == ["auto-v2"]


def test_a_plan_made_just_before_a_crash_is_not_made_twice(world):
    world.create(None, "default", {**resource("auto-v2")})
    world.operator.plans = HeldResources()  # the watch does not show it yet
    world.run(2)
    assert world.created == ["auto-v2"]
    assert world.trigger_status()["acted"] == ["v2"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda w: w.deployments.objects.clear(), "NoDeployment"),
        (lambda w: w.triggers.objects[0]["spec"].update(label="release"), "NoVersion"),
        (lambda w: w.deployments.objects.pop(), "Stable"),
        (lambda w: w.triggers.objects[0]["spec"]["plan"].update(interval="1parsec"), "Invalid"),
        (lambda w: w.deployments.objects.__setitem__(1, deployment("not a word")), "Invalid"),
        (lambda w: w.triggers.objects[0]["spec"].update(wach=1), "Invalid"),
    ],
)
def test_what_cannot_be_acted_on_is_said_and_nothing_is_made(world, change, reason):
    change(world)
    world.run(2)
    assert world.created == []
    assert world.trigger_status()["reason"] == reason


def test_a_key_that_the_api_server_dropped_is_a_mistake(world):
    (held,) = world.triggers.objects
    applied = copy.deepcopy(held)
    applied["spec"]["plan"]["guardrails"][0]["margn"] = {"ratio": 1.1}
    held["metadata"]["annotations"] = {APPLIED: json.dumps(applied)}
    world.run(2)
    assert world.trigger_status()["reason"] == "Invalid"
    assert "P003" in world.trigger_status()["message"]


def test_a_cluster_in_distress_is_asked_less_and_less(world):
    asked = []

    def refuse(*_args):
        asked.append(world.clock.now())
        raise ClusterError("nobody answers", 0)

    world.create = refuse
    for _ in range(120):
        world.operator.tick()
        with (
            pytest.raises(ClusterError)
            if world.triggering._retries.get("default/auto", (0, 0.0))[1] <= world.clock.now()
            else nullcontext()
        ):
            world.triggering.publish(world, world.clock.now())
        world.clock.sleep(0.5)
    assert 3 <= len(asked) <= 8


def test_the_example_makes_a_sound_plan():
    manifest = ROOT / "manifests" / "components" / "triggers" / "example.yaml"
    example = yaml.safe_load(manifest.read_text())
    plan = plan_of(plan_for(example, "v2", None))
    assert plan.name == "discharge-summarizer-v2"
    assert watched_of(example).label == "version"


def test_names_fit_and_tell_versions_apart():
    assert plan_name("auto", "v2") == "auto-v2"
    assert plan_name("web", "api-1") != plan_name("web-api", "1") == "web-api-1"
    names = {plan_name("auto", v) for v in ("V2", "v2", "v_2", "v-2", "v2.")}
    assert len(names) == 5
    assert all(len(plan_name("auto", "v" * n)) <= 54 for n in range(1, 64))
