"""Whatever a cluster's resources hold: `operate` goes on, and tells what is wrong with each."""

import copy
import json

from rollout.errors import PlanError
from rollout.operate.triggers.plans import KnownPlans, desired_plans
from rollout.plan.kube.resource import APPLIED, describe_mistakes, plan_of
from rollout.tick.bulkheads import Bulkheads
from rollout.tick.fleet import Fleet
from tests.support.fuzzing import fuzz
from tests.support.plans import Operated, resource

SOUND = resource(created=1_800_000_000.0)
SOUND["metadata"]["annotations"] = {
    "surefoot.dev/undo": "ticket (ada)",
    "surefoot.dev/retry": "again (ada)",
}
PLAN = {key: value for key, value in SOUND["spec"].items() if key != "canary"}
METADATA = {"name": "web", "namespace": "default", "generation": 1, "resourceVersion": "1"}
TRIGGER = {
    "apiVersion": "surefoot.dev/v1alpha1",
    "kind": "RolloutTrigger",
    "metadata": METADATA,
    "spec": {"selector": {"app": "web"}, "label": "version", "plan": PLAN},
    "status": {"observedGeneration": 1, "version": "v1", "reason": "Stable", "acted": ["v0"]},
}
DEPLOYMENTS = [
    {
        "metadata": {
            "name": f"web-{version}",
            "namespace": "default",
            "labels": {"app": "web"},
            "generation": 1,
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {
            "replicas": 1,
            "template": {"metadata": {"labels": {"app": "web", "version": version}}},
        },
        "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1}
        | {"availableReplicas": 1},
    }
    for version in ("v1", "v2")
]


def as_stored(mutator, document):
    """Mangle what the API server's definition leaves free: not the resource's own identity.

    Annotations are texts there, and a spec and a status are objects.
    """
    changed = copy.deepcopy(document)
    for name in ("spec", "status"):
        if name in changed and mutator.random.random() < 0.6:
            mangled = mutator.mangle(changed[name])
            changed[name] = mangled if isinstance(mangled, dict) else {}
    if mutator.random.random() < 0.3:
        text = mutator.to_json({"spec": mutator.mangle(changed.get("spec"))})
        changed["metadata"].setdefault("annotations", {})[APPLIED] = text
    return changed


def labelled(mutator, deployment):
    """Put other labels and numbers where the API server takes any; it checks the rest itself."""
    changed = copy.deepcopy(deployment)
    labels = changed["spec"]["template"]["metadata"]["labels"]
    labels["version"] = mutator.random.choice(["v1", "v2", "", "a-1", "V.2_x", "x" * 63])
    changed["spec"]["replicas"] = mutator.random.choice([0, 1, 1, 2**31 - 1])
    return changed


def test_whatever_a_resource_holds_is_a_plan_or_mistakes():
    def check(mutator):
        stored = as_stored(mutator, SOUND)
        try:
            plan = plan_of(stored)
        except PlanError as error:
            lines = describe_mistakes(stored, error)
            assert lines
            assert all(line.isprintable() for line in lines)
            return
        assert plan_of(json.loads(json.dumps(stored))) == plan

    fuzz("resources", 0.06, check)


def test_whatever_a_resource_holds_others_go_on():
    def check(mutator):
        world = Operated()
        world.apply("sound", service="other")
        stored = as_stored(mutator, {**SOUND, "status": {"phase": "stepping", "conditions": []}})
        world.cluster.held["default/demo"] = stored
        world.run(1.5)
        assert world.status("sound")["phase"]

    fuzz("operate", 0.02, check)


def test_whatever_a_trigger_holds_is_read_or_refused():
    def check(mutator):
        trigger = as_stored(mutator, TRIGGER)
        deployments = [labelled(mutator, deployment) for deployment in DEPLOYMENTS]
        problems: list[str] = []
        triggers = [trigger, {**TRIGGER, "metadata": {**METADATA, "name": "sound"}}]
        plans = KnownPlans(lambda _: False, Fleet())
        desired = desired_plans(triggers, deployments, plans, Bulkheads(problems.append))
        assert "default/sound" in desired
        assert len(desired) + len(problems) == 2
        for wanted in desired.values():
            json.dumps(wanted.status).encode()

    fuzz("triggers", 0.06, check)
