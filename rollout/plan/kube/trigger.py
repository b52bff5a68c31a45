"""A trigger turns each new version of a watched Deployment into a plan."""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Any

from pydantic import Field

from rollout.plan.fields.base import Model, ObjectName
from rollout.plan.kube import crd
from rollout.plan.kube.resource import as_applied
from rollout.plan.model.plan import Spec

KIND = "RolloutTrigger"
LABEL = "surefoot.dev/trigger"  # on every plan that a trigger created
_LONGEST = 54  # characters of a plan's name, as in `rollout.plan.fields.base`

Json = dict[str, Any]

# The key of a label on pods, such as `version` or `app.kubernetes.io/version`.
PodLabel = Annotated[str, Field(pattern=r"^([a-z0-9][-a-z0-9.]*/)?[A-Za-z0-9][-A-Za-z0-9_.]*$")]


class WatchedDeployment(Model):
    """What a trigger watches; `plan` stands beside it, a plan's spec but for the canary."""

    deployment: ObjectName = Field(description="The Deployment whose new versions are rolled out.")
    label: PodLabel = Field(
        "version", description="Label of the Deployment's pod template that names the version."
    )


class TriggerStatus(Model):
    """What a trigger shows: the version that it sees and what became of it."""

    observed_generation: int = Field(description="Generation of the trigger that was read last.")
    version: str = Field("", description="The version that the Deployment runs now.")
    plan: str = Field("", description="The plan that was made for it.")
    reason: str = Field(description="What became of it, in one CamelCase word.")
    message: str = Field("", description="What became of it, in a sentence.")
    acted: list[str] = Field([], description="Versions that were acted on, the newest last.")


def watched_of(trigger: Json) -> WatchedDeployment:
    """Read what a trigger watches from its resource. Raises pydantic's ValidationError."""
    spec = {key: value for key, value in trigger["spec"].items() if key != "plan"}
    return WatchedDeployment.model_validate(spec)


def plan_for(trigger: Json, version: str, stable: str | None) -> Json:
    """Build the plan that rolls out a version.

    `stable` is the stable version on record in the journal, or None to leave the trigger's.
    """
    metadata, spec = trigger["metadata"], dict(as_applied(trigger)["plan"])
    if stable is not None:
        spec["stable"] = {"version": stable}
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


def plan_name(trigger: str, version: str) -> str:
    """Build a plan's name from a trigger and a version.

    A pair that does not fit into a name unchanged gets a hash at the end, so that versions that
    differ only in what was changed still get different names.
    """
    plain = re.sub(r"[^-a-z0-9.]", "-", f"{trigger}-{version}".lower()).strip("-.")
    if plain == f"{trigger}-{version}" and len(plain) <= _LONGEST:
        return plain
    suffix = hashlib.sha256(f"{trigger}/{version}".encode()).hexdigest()[:6]
    return f"{plain[: _LONGEST - 7].rstrip('-.')}-{suffix}"


def definition() -> Json:
    """The CustomResourceDefinition of triggers, as plain data."""
    return crd.defined(KIND, ["trigger", "triggers"], _build_document(), _COLUMNS)


def _build_document() -> Json:
    watched = crd.structural(
        schema := WatchedDeployment.model_json_schema(), schema.get("$defs", {})
    )
    plan = crd.structural(schema := Spec.model_json_schema(), schema["$defs"])
    del plan["properties"]["canary"]
    plan["required"].remove("canary")
    plan["description"] = "The spec of the plans to be made; `canary` is the new version."
    watched["properties"]["plan"] = plan
    watched["required"] = ["deployment", "plan"]
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
