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
from rollout.operate.triggers.trigger import Triggers
from rollout.plan.kube.resource import APPLIED, name_of, plan_of
from rollout.plan.kube.trigger import LABEL, plan_for, plan_name, watched_of
from tests.support.plans import Operated, resource
from tests.support.worlds import GOOD

ROOT = Path(__file__).parents[4]


def deployment(version="v2", ready=2, **status):
    counts = {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2}
    return {
        "metadata": {"name": "summarizer", "namespace": "default", "generation": 1},
        "spec": {"replicas": 2, "template": {"metadata": {"labels": {"version": version}}}},
        "status": counts | {"availableReplicas": ready} | status,
    }


def trigger(**spec):
    plan = resource()["spec"]
    del plan["canary"]
    metadata = {"name": "auto", "namespace": "default", "generation": 3, "resourceVersion": "7"}
    return {"metadata": metadata, "spec": {"deployment": "summarizer", "plan": plan, **spec}}


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
        self.deployments = getattr(self, "deployments", HeldResources([deployment()]))
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
    world.deployments.objects = [deployment("v3")]
    world.run_until(lambda: world.ended("auto-v3"))
    assert world.created == ["auto-v2", "auto-v3"]
    assert world.cluster.held["default/auto-v3"]["spec"]["stable"] == {"version": "v2"}


def test_a_version_that_comes_meanwhile_waits_its_turn(world):
    world.run(2)
    world.deployments.objects = [deployment("v3")]
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
    ],
)
def test_pods_that_are_not_ready_are_waited_for(world, deployment, words):
    world.deployments.objects = [deployment]
    world.run(2)
    assert world.created == []
    assert words in world.trigger_status()["message"]


@pytest.mark.parametrize("restarts", [False, True])
def test_flagger_loses_a_version_that_it_sees_while_pods_are_not_ready(world, restarts):
    """It writes the version down as applied, begins nothing, and never looks at it again."""
    world.deployments.objects = [deployment(ready=1)]
    world.run(5)
    assert (world.created, world.trigger_status()["acted"]) == ([], [])
    if restarts:
        world.restart()
    world.deployments.objects = [deployment()]
    world.run(2)
    assert world.created == ["auto-v2"]
    world.deployments.objects = [deployment("v3", ready=0)]  # and while another is rolled out
    world.run(5)
    world.deployments.objects = [deployment("v3")]
    world.run_until(lambda: world.ended("auto-v3"))
    assert world.created == ["auto-v2", "auto-v3"]


def test_two_versions_in_quick_succession_are_both_acted_on_unless_one_was_never_seen(world):
    world.world.behaviours |= {"v4": GOOD, "v5": GOOD}
    world.deployments.objects = [deployment("v2")]
    world.operator.tick()  # wished, and not carried out yet
    world.deployments.objects = [deployment("v3")]
    world.run_until(lambda: world.ended("auto-v3"))
    assert world.created == ["auto-v3"]
    world.deployments.objects = [deployment("v4")]
    world.run(1)
    world.deployments.objects = [deployment("v5")]
    world.run(1)
    world.restart()
    world.run_until(lambda: world.ended("auto-v5"))
    assert world.created == ["auto-v3", "auto-v4", "auto-v5"]
    assert world.trigger_status()["acted"] == ["v3", "v4", "v5"]


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
        (lambda w: w.deployments.objects.__setitem__(0, deployment("v1")), "Stable"),
        (lambda w: w.triggers.objects[0]["spec"]["plan"].update(interval="1parsec"), "Invalid"),
        (lambda w: w.deployments.objects.__setitem__(0, deployment("not a word")), "Invalid"),
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
            if world.triggering._due <= world.clock.now()
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
    names = {plan_name("auto", v) for v in ("V2", "v2", "v_2", "v-2", "v2.")}
    assert len(names) == 5
    assert all(len(plan_name("auto", "v" * n)) <= 54 for n in range(1, 64))
