"""The status of a plan's resource, which only the controller writes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from rollout.plan.fields.base import Model

ConditionType = Literal[
    "Accepted",
    "Pending",
    "Progressing",
    "Blind",
    "Promoted",
    "RolledBack",
    "Undone",
    "TrafficFollows",
]
Verdict = Literal["safe", "harmful", "undecided", "blind", "shown"]
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class Condition(Model):
    """One aspect of the rollout, as `kubectl wait --for=condition=...` reads it."""

    type: ConditionType = Field(description="Which aspect.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it holds.")
    reason: str = Field(description="Why, in one CamelCase word.")
    message: str = Field("", description="Why, in sentences.")
    last_transition_time: Time = Field(description="When `status` changed last.")
    observed_generation: int = Field(description="Generation of the plan that this speaks of.")


class GuardrailStatus(Model):
    """One guardrail's verdict at the last look."""

    name: str = Field(description="Name of the guardrail.")
    verdict: Verdict = Field(description="What the evidence says.")
    reason: str = Field("", description="Why it is blind.")


class HookStatus(Model):
    """Where a hook's calls stand."""

    name: str = Field(description="Name of the hook.")
    state: Literal["calling", "answered", "failed"] = Field(description="How its calls went.")
    problem: str = Field("", description="What the last call met.")


class Decision(Model):
    """The last decision."""

    id: int = Field(description="Its entry in the journal: `surefoot why ID` explains it.")
    at: Time = Field(description="When it was made.")
    action: str = Field(description="What was decided.")
    sentence: str = Field(description="What and why, with the numbers.")


class Sealed(Model):
    """The journal's newest entry of this rollout, observations aside."""

    entry: int = Field(description="Its sequence number.")
    hash: str = Field(description="Seals the entry and everything before it.")


class Status(Model):
    """The whole status; fields without a value are left out."""

    observed_generation: int = Field(description="Generation of the plan that was read last.")
    rollout: str | None = Field(None, description="Rollout id: the plan's name and digest.")
    phase: str | None = Field(None, description="Where the rollout stands.")
    weight: str | None = Field(None, description="The canary's share that the mesh confirmed.")
    wanted: str | None = Field(None, description="The canary's share that was decided.")
    verdict: Verdict | None = Field(None, description="The worst of the guardrails' verdicts.")
    stable: str | None = Field(None, description="The service's stable version on record.")
    guardrails: list[GuardrailStatus] | None = Field(None, description="Verdict by guardrail.")
    hooks: list[HookStatus] | None = Field(None, description="Hooks that were called.")
    decision: Decision | None = Field(None, description="The last decision.")
    journal: Sealed | None = Field(None, description="Where the journal stood.")
    conditions: list[Condition] = Field([], description="What holds of the rollout.")

    def document(self) -> dict[str, Any]:
        """The status as plain data, as it is written."""
        return self.model_dump(by_alias=True, exclude_none=True, mode="json")


def _make_column(
    name: str, path: str, *, wide: bool = False, kind: str = "string"
) -> dict[str, Any]:
    return {"name": name, "type": kind, "jsonPath": path} | ({"priority": 1} if wide else {})


_ACCEPTED = '.status.conditions[?(@.type=="Accepted")].status'

# The columns of `kubectl get plans`; the wide ones need `-o wide`.
COLUMNS = [
    _make_column("Accepted", _ACCEPTED),
    _make_column("Phase", ".status.phase"),
    _make_column("Weight", ".status.weight"),
    _make_column("Verdict", ".status.verdict"),
    _make_column("Age", ".metadata.creationTimestamp", kind="date"),
    _make_column("Wanted", ".status.wanted", wide=True),
    _make_column("Rollout", ".status.rollout", wide=True),
    _make_column("Stable", ".status.stable", wide=True),
    _make_column("Decision", ".status.decision.sentence", wide=True),
]
