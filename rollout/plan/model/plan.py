"""The plan as pydantic models; every field is described, for the schema and the editor."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from rollout.plan.fields.base import Model, Span, Word, written
from rollout.plan.fields.codes import fault, raise_at
from rollout.plan.fields.units import Duration, duration
from rollout.plan.model.guardrail import Guardrail, Labels, Margin
from rollout.plan.model.holdback import Holding
from rollout.plan.model.hooks import Hooks
from rollout.plan.model.pods import LEAST, Pods
from rollout.plan.model.policy import Policy
from rollout.plan.model.policy_fit import fitting as policy_fitting
from rollout.plan.model.ramp import Budget, Ramp, Steps, Switch
from rollout.plan.model.route import Route
from rollout.plan.model.terms import Confidence, Metadata, Prometheus, Version, WhenBlind
from rollout.plan.model.traffic import Traffic, beside, fitting

__all__ = [
    "Budget",
    "Guardrail",
    "Labels",
    "Margin",
    "Plan",
    "Pods",
    "Policy",
    "Ramp",
    "Route",
    "Spec",
    "Steps",
    "Switch",
    "Traffic",
]


class Spec(Model):
    """What moves, how far, and what must not get worse."""

    service: Word = Field(description="The service whose traffic is split.")
    stable: Version = Field(description="The version that serves now.")
    canary: Version = Field(description="The version to be rolled out.")
    route: Route = Field(description="Where the weights live.")
    traffic: Traffic | None = Field(
        None, description="Which requests the canary gets; a share of all when left out."
    )
    ramp: Ramp = Field(description="How the canary's weight grows.")
    holdback: Holding = Field(None, description="A last bake before the promotion.")
    guardrails: list[Guardrail] = Field(min_length=1, description="What must not get worse.")
    confidence: Confidence = Field(Confidence(), description="Declared error rates.")
    prometheus: Prometheus = Field(Prometheus(), description="Where the evidence is read.")
    interval: Span = written("30s", "Time between looks, a multiple of the scrape interval.")
    warmup: Duration = written(
        "2m", "Time from the canary's first request that only a crash watch judges."
    )
    when_blind: WhenBlind = Field(WhenBlind(), description="What to do without data.")
    deadline: Span = written("24h", "Longest time to a decision.")
    when_inconclusive: Literal["pause", "rollback", "promote"] = Field(
        "pause", description="What to do when the deadline passes without proof."
    )
    patience: Span = written("24h", "How long a pause waits for a person before rolling back.")
    on_drift: Literal["adopt", "revert", "pause"] = Field(
        "pause", description="What to do when someone else moves the weights."
    )
    hooks: Hooks = Field(None, description="Addresses that are told before and after.")
    pods: Pods | None = Field(
        None,
        description="What to learn from stable's pods; without it requests are taken as "
        "independent.",
    )
    policy: Policy | None = Field(
        None,
        description="How the mesh treats both versions; left as it is when left out.",
    )

    @property
    def before(self) -> float | None:
        """Seconds of stable before a switch, to compare with; None: compared side by side."""
        return self.ramp.blue_green.before if isinstance(self.ramp, Switch) else None

    # Each rule stands at the field that breaks it: it is reported there, together with all others.
    @field_validator("canary")
    @classmethod
    def _another_version(cls, canary: Version, info: ValidationInfo) -> Version:
        stable = info.data.get("stable")
        if stable == canary:
            raise_at("canary", (("version",), fault("P012", "stable is this version already")))
        return canary

    @field_validator("guardrails")
    @classmethod
    def _named_once(cls, guardrails: list[Guardrail]) -> list[Guardrail]:
        names = [guardrail.name for guardrail in guardrails]
        if twins := repeated(names):
            raise_at("guardrails", *[((place, "name"), twin(names[place])) for place in twins])
        return guardrails

    @field_validator("interval")
    @classmethod
    def _sees_every_sample(cls, interval: float, info: ValidationInfo) -> float:
        if "prometheus" not in info.data:
            return interval
        scrape = info.data["prometheus"].scrape
        looks = interval / scrape
        if looks < 1 or abs(looks - round(looks)) > 1e-9:
            raise fault(
                "P011",
                f"the interval {duration(interval)} is no multiple of "
                f"the scrape interval {duration(scrape)}",
                hint=f"write `interval: {duration(scrape * max(1, round(looks)))}`",
            )
        return interval

    @field_validator("ramp")
    @classmethod
    def _fits_traffic(cls, ramp: Ramp, info: ValidationInfo) -> Ramp:
        if "traffic" in info.data:
            beside(ramp, info.data["traffic"])
        return ramp

    @field_validator("warmup")
    @classmethod
    def _leaves_something(cls, warmup: float, info: ValidationInfo) -> float:
        ramp = info.data.get("ramp")
        before = ramp.blue_green.before if isinstance(ramp, Switch) else None
        if ramp and before is not None and before <= warmup + ramp.bake:
            raise fault(
                "P018",
                f"the warm-up of {duration(warmup)} and the bake of {duration(ramp.bake)} use up "
                f"the {duration(before)} of stable that the canary is compared with",
            )
        return warmup

    @field_validator("deadline")
    @classmethod
    def _after_warmup(cls, deadline: float, info: ValidationInfo) -> float:
        warmup = info.data.get("warmup", 0.0)
        if deadline <= warmup:
            raise fault("P013", f"the deadline passes within the warm-up of {duration(warmup)}")
        return deadline

    @field_validator("pods")
    @classmethod
    def _long_enough(cls, pods: Pods | None, info: ValidationInfo) -> Pods | None:
        least = LEAST * info.data.get("interval", 0.0)
        if pods is not None and pods.history < least:
            said = f"a history of {duration(pods.history)} holds fewer than {LEAST} looks"
            hint = f"write `history: {duration(least)}` or more"
            raise_at("pods", (("history",), fault("P015", said, hint=hint)))
        return pods

    @field_validator("traffic")
    @classmethod
    def _known_to_the_mesh(cls, traffic: Traffic | None, info: ValidationInfo) -> Traffic | None:
        if traffic is not None and "route" in info.data:
            fitting(traffic, info.data["route"])
        return traffic

    @field_validator("policy")
    @classmethod
    def _carried_out(cls, policy: Policy | None, info: ValidationInfo) -> Policy | None:
        if policy is not None and "route" in info.data:
            policy_fitting(policy, info.data["route"], info.data.get("traffic"))
        return policy


def repeated(names: list[Any]) -> list[int]:
    """Places of the names that came before."""
    return [place for place, name in enumerate(names) if name in names[:place]]


def twin(name: str) -> PydanticCustomError:
    """The mistake of a name given again."""
    return fault("P010", f"the name `{name}` is given twice")


class Plan(Model):
    """A rollout plan: what to move, how far, and what must not get worse."""

    api_version: Literal["surefoot.dev/v1alpha1"] = Field(description="Version of this format.")
    kind: Literal["RolloutPlan"] = Field(description="What this document is.")
    metadata: Metadata = Field(description="How the plan is named.")
    spec: Spec = Field(description="What moves, how far, and what must not get worse.")

    @property
    def name(self) -> str:
        return self.metadata.name

    def document(self) -> dict[str, Any]:
        """The plan as plain data, itself a valid plan document."""
        return self.model_dump(by_alias=True, exclude_none=True, mode="json")

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical document, hex; the same for every spelling of one plan."""
        text = json.dumps(self.document(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def id(self) -> str:
        """Rollout id: the plan's name and its digest's first eight digits; a valid label."""
        return f"{self.name}-{self.digest[:8]}"
