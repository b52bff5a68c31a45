"""A trigger turns each new version of a watched Deployment into a plan."""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Iterator
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from rollout.plan.fields.base import Model, ObjectName
from rollout.plan.kube import crd
from rollout.plan.kube.json_schema import bound_lists
from rollout.plan.kube.resource import as_applied
from rollout.plan.model.mesh.route import only
from rollout.plan.model.plan import Spec

KIND = "RolloutTrigger"
LABEL = "surefoot.dev/trigger"  # on every plan that a trigger created
TEMPLATE = "{version}"  # in the name of an arm: its version
_ARMS = (("envoy", "clusters"), ("istio", "subsets"), ("istio", "hosts"), ("gateway", "backends"))
_LONGEST = 54  # characters of a plan's name, as in `rollout.plan.fields.base`

Json = dict[str, Any]

# The key of a label on pods, such as `version` or `app.kubernetes.io/version`.
PodLabel = Annotated[str, Field(pattern=r"^([a-z0-9][-a-z0-9.]*/)?[A-Za-z0-9][-A-Za-z0-9_.]*$")]


class WatchedDeployments(Model):
    """What a trigger watches; `plan` stands beside it, a plan's spec but for the canary."""

    deployment: ObjectName | None = Field(
        None, description="The one Deployment whose version is rolled out; stable has another."
    )
    selector: dict[str, str] | None = Field(
        None,
        min_length=1,
        description="Labels of the Deployments to watch: one for each version, or two that take "
        "turns.",
    )
    label: PodLabel = Field(
        "version", description="Label of the Deployment's pod template that names the version."
    )

    @model_validator(mode="after")
    def _check_one_way(self) -> Self:
        only(self, "`spec`", "deployment", "selector")
        return self

    @property
    def described(self) -> str:
        """The Deployment's name, or the labels that it must have."""
        labels = (f"{key}={value}" for key, value in (self.selector or {}).items())
        return self.deployment or f"with the labels {', '.join(labels)}"


class TriggerStatus(Model):
    """What a trigger shows: the version that it sees and what became of it."""

    observed_generation: int = Field(description="Generation of the trigger that was read last.")
    version: str = Field("", description="The version that it saw last.")
    deployment: str = Field("", description="The one Deployment that it watched for that.")
    plan: str = Field("", description="The plan that was made for it.")
    reason: str = Field(description="What became of it, in one CamelCase word.")
    message: str = Field("", description="What became of it, in a sentence.")
    acted: list[str] = Field([], description="Versions that were acted on, the newest last.")


def watched_of(trigger: Json) -> WatchedDeployments:
    """Read what a trigger watches from its resource. Raises pydantic's ValidationError."""
    spec = {key: value for key, value in trigger["spec"].items() if key != "plan"}
    return WatchedDeployments.model_validate(spec)


def plan_for(trigger: Json, version: str, stable: str | None) -> Json:
    """Build the plan that rolls out a version.

    `stable` is the stable version on record in the journal, or None to leave the trigger's.
    """
    metadata, spec = trigger["metadata"], copy.deepcopy(dict(as_applied(trigger)["plan"]))
    if stable is not None:
        spec["stable"] = {"version": stable}
    declared = spec.get("stable")
    old = str(declared.get("version", "")) if isinstance(declared, dict) else ""
    for _, arms in _find_arms(spec):
        for arm, name in arms.items():
            if isinstance(name, str):
                arms[arm] = name.replace(TEMPLATE, old if arm == "stable" else version)
    return {
        "apiVersion": f"{crd.GROUP}/{crd.VERSION}",
        "kind": crd.KIND,
        "metadata": {
            "name": plan_name(metadata["name"], version),
            "namespace": metadata["namespace"],
            "labels": {LABEL: metadata["name"]},
        },
        "spec": spec | {"canary": {"version": version}},
    }


def fixed_arms(trigger: Json) -> str:
    """Explain why the plan's arms cannot follow the versions; empty where they can.

    With fixed names the second version would meet a route whose canary arm has all the traffic.
    """
    for path, arms in _find_arms(as_applied(trigger)["plan"]):
        pair = [arms.get("stable"), arms.get("canary")]
        if not all(isinstance(name, str) and TEMPLATE in name for name in pair):
            return (
                f"`plan.route.{path}` names the same two arms for every version, so the second "
                "version would begin with all traffic on the arm of the canary: leave it out, or "
                f"write `{TEMPLATE}` in both names"
            )
    return ""


def _find_arms(plan: Any) -> Iterator[tuple[str, Json]]:
    """Yield every pair of arms that a plan's spec names, with its path in the route.

    The spec is not validated yet, so it may have any shape.
    """
    route = plan.get("route") if isinstance(plan, dict) else None
    for mesh, key in _ARMS:
        at_mesh = route.get(mesh) if isinstance(route, dict) else None
        arms = at_mesh.get(key) if isinstance(at_mesh, dict) else None
        if isinstance(arms, dict):
            yield f"{mesh}.{key}", arms


def plan_name(trigger: str, version: str) -> str:
    """Build a plan's name from a trigger and a version; two pairs never share one.

    A pair that does not fit into a name unchanged gets a hash at the end, so that versions that
    differ only in what was changed still get different names. So does a version with a hyphen:
    trigger `web` and `api-1` would else have the name of `web-api` and `1`.
    """
    plain = re.sub(r"[^-a-z0-9.]", "-", f"{trigger}-{version}".lower()).strip("-.")
    is_plain = plain == f"{trigger}-{version}" and "-" not in version
    if is_plain and len(plain) <= _LONGEST:
        return plain
    suffix = hashlib.sha256(f"{trigger}/{version}".encode()).hexdigest()[:6]
    return f"{plain[: _LONGEST - 7].rstrip('-.')}-{suffix}"


def definition() -> Json:
    """The CustomResourceDefinition of triggers, as plain data."""
    return crd.defined(KIND, ["trigger", "triggers"], _build_document(), _COLUMNS)


def _build_document() -> Json:
    watched = crd.structural(
        schema := WatchedDeployments.model_json_schema(), schema.get("$defs", {})
    )
    plan = bound_lists(crd.structural(schema := Spec.model_json_schema(), schema["$defs"]))
    for key in ("canary", "release"):  # of one version
        del plan["properties"][key]
    plan["required"].remove("canary")
    for mesh, key in _ARMS:
        arms = plan["properties"]["route"]["properties"][mesh]["properties"][key]["properties"]
        for arm in ("stable", "canary", "shadow"):
            arms.get(arm, {}).pop("pattern", None)  # `{version}` is allowed; the plan is checked
    plan["description"] = "The spec of the plans to be made; `canary` is the new version."
    watched["properties"]["plan"] = plan
    watched["required"] = ["plan"]
    status = crd.structural(TriggerStatus.model_json_schema(), {})
    head = {key: {"type": "string"} for key in ("apiVersion", "kind")}
    properties = head | {"spec": watched, "status": status}
    return {"type": "object", "required": ["spec"], "properties": properties}


_COLUMNS: list[Json] = [
    {"name": "Deployment", "type": "string", "jsonPath": ".spec.deployment"},
    {"name": "Version", "type": "string", "jsonPath": ".status.version"},
    {"name": "Reason", "type": "string", "jsonPath": ".status.reason"},
    {"name": "Plan", "type": "string", "jsonPath": ".status.plan"},
    {"name": "Message", "type": "string", "jsonPath": ".status.message", "priority": 1},
]
