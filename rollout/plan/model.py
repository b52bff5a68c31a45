"""The plan as pydantic models; every field is described, for the schema and the editor."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from rollout.plan.templates import TEMPLATES, Template
from rollout.plan.units import Duration, Percent, PercentOrNumber

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$")]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][-A-Za-z0-9_.]{0,62}$")]
Weight = Annotated[Percent, Field(ge=0.0001, le=0.99)]
Risk = Annotated[PercentOrNumber, Field(gt=0, lt=0.5)]


class Model(BaseModel):
    """Strict base: unknown keys are errors, values never change."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=False
    )


class Metadata(Model):
    name: Name = Field(description="Name of the rollout, as used by every command.")
    namespace: Name = Field("default", description="Namespace of the service.")


class Version(Model):
    version: Word = Field(description="Value of the version label that marks this arm's series.")


class Clusters(Model):
    stable: str = Field(description="Envoy cluster that serves the stable version.")
    canary: str = Field(description="Envoy cluster that serves the canary version.")


class EnvoyRoute(Model):
    """An Envoy that watches its route configuration in a file."""

    file: str = Field(description="Path of the route configuration file that Envoy watches.")
    admin: str = Field(
        description="Address of Envoy's admin interface, where each change is read back.",
        pattern=r"^https?://",
        examples=["http://127.0.0.1:9901"],
    )
    clusters: Clusters | None = Field(
        None, description="Cluster names; `<service>-<version>` when left out."
    )


class Route(Model):
    envoy: EnvoyRoute = Field(description="Weights in a local Envoy's route configuration.")


class Steps(Model):
    """A fixed ladder of weights."""

    steps: list[Weight] = Field(
        min_length=1, description="Canary weights, increasing; promotion itself goes to 100 %."
    )
    bake: Duration = Field(
        description="Least time at each step, counted from the mesh's confirmation of its weight."
    )

    @model_validator(mode="after")
    def _increasing(self) -> Steps:
        for before, after in zip(self.steps, self.steps[1:], strict=False):
            if after <= before:
                raise ValueError(
                    f"weight {after:.4%} after {before:.4%} is not an increase: "
                    "the weight only falls by a rollback"
                )
        return self

    @property
    def least(self) -> float:
        return self.steps[0]

    @property
    def most(self) -> float:
        return self.steps[-1]


class Budget(Model):
    """A ramp paced by evidence: the weight grows as the worst credible harm shrinks."""

    harm_budget: float = Field(
        gt=0, description="Excess bad requests that may be risked until the next look."
    )
    min: Weight = Field(description="First and smallest canary weight.")
    max: Weight = Field(description="Largest canary weight; promotion is decided there.")
    bake: Duration = Field(description="Least time between two increases, from confirmation.")

    @model_validator(mode="after")
    def _ordered(self) -> Budget:
        if self.max < self.min:
            raise ValueError("max is below min")
        return self

    @property
    def least(self) -> float:
        return self.min

    @property
    def most(self) -> float:
        return self.max


class Margin(Model):
    """How much worse is still acceptable: p_canary <= ratio * p_stable + absolute."""

    ratio: float = Field(1.0, ge=1, le=100, description="Acceptable ratio of bad shares.")
    absolute: PercentOrNumber = Field(
        0.0, ge=0, lt=1, description="Acceptable difference of bad shares, added to the ratio."
    )

    @model_validator(mode="after")
    def _not_zero(self) -> Margin:
        if self.ratio == 1 and self.absolute == 0:
            raise ValueError(
                "a margin of ratio 1 and absolute 0 asks for proof of no difference at all, "
                "which no amount of data can give; raise one of them"
            )
        return self


class Labels(Model):
    service: str | None = Field(None, description="Label that names the service.")
    version: str | None = Field(None, description="Label that tells the two versions apart.")


class Guardrail(Model):
    """One metric that the canary must not make worse than its margin or tolerance allows."""

    name: Word = Field(description="Name of this guardrail in the log.")
    template: str = Field(
        description="Metric template.", json_schema_extra={"enum": [*sorted(TEMPLATES)]}
    )
    margin: Margin | None = Field(None, description="For rates: how much worse is acceptable.")
    tolerance: PercentOrNumber | None = Field(
        None,
        gt=0,
        lt=10,
        description="For latency (a share, 10%) and scores (in their unit, 0.02).",
    )
    importance: float = Field(
        1.0, gt=0, le=100, description="Weight in the joint evidence that leads to a rollback."
    )
    lag: Duration = Field(
        0.0, description="How late this metric's samples arrive, e.g. while a judge scores them."
    )
    labels: Labels = Field(
        Labels(), description="Label names, where they differ from the template."
    )

    @model_validator(mode="after")
    def _fits_template(self) -> Guardrail:
        kind = self.source.kind
        if kind == "rate" and (self.margin is None or self.tolerance is not None):
            raise ValueError(f"{self.template} is a rate: it needs a margin and takes no tolerance")
        if kind == "shape" and (self.tolerance is None or self.margin is not None):
            raise ValueError(
                f"{self.template} is a histogram: it needs a tolerance and takes no margin"
            )
        return self

    @property
    def source(self) -> Template:
        """The template. Raises ValueError for an unknown name."""
        if self.template not in TEMPLATES:
            raise ValueError(f"unknown template {self.template!r}")
        return TEMPLATES[self.template]


class Confidence(Model):
    false_rollback: Risk = Field(
        0.01, description="Most acceptable chance of ever rolling back a harmless canary."
    )
    false_promotion: Risk = Field(
        0.05, description="Most acceptable chance of promoting a canary worse than its margins."
    )


class WhenBlind(Model):
    hold: Duration = Field(900.0, description="How long to hold without data before acting.")
    then: Literal["pause", "rollback"] = Field("pause", description="What to do after that.")


class Prometheus(Model):
    url: str = Field(
        "http://127.0.0.1:9090", pattern=r"^https?://", description="Where Prometheus answers."
    )
    scrape: Duration = Field(15.0, gt=0, description="The scrape interval of the series used.")


class Spec(Model):
    service: Word = Field(description="The service whose traffic is split.")
    stable: Version = Field(description="The version that serves now.")
    canary: Version = Field(description="The version to be rolled out.")
    route: Route = Field(description="Where the weights live.")
    ramp: Steps | Budget = Field(description="How the canary's weight grows.")
    guardrails: list[Guardrail] = Field(min_length=1, description="What must not get worse.")
    confidence: Confidence = Field(Confidence(), description="Declared error rates.")
    prometheus: Prometheus = Field(Prometheus(), description="Where the evidence is read.")
    interval: Duration = Field(30.0, gt=0, description="Time between looks.")
    warmup: Duration = Field(
        120.0, description="Time from the canary's first request that only a crash watch judges."
    )
    when_blind: WhenBlind = Field(WhenBlind(), description="What to do without data.")
    deadline: Duration = Field(86400.0, gt=0, description="Longest time to a decision.")
    when_inconclusive: Literal["pause", "rollback", "promote"] = Field(
        "pause", description="What to do when the deadline passes without proof."
    )
    patience: Duration = Field(
        86400.0, gt=0, description="How long a pause waits for a person before rolling back."
    )
    on_drift: Literal["adopt", "revert", "pause"] = Field(
        "pause", description="What to do when someone else moves the weights."
    )

    @model_validator(mode="after")
    def _coherent(self) -> Spec:
        if self.stable.version == self.canary.version:
            raise ValueError("stable and canary are the same version")
        names = [guardrail.name for guardrail in self.guardrails]
        if len(set(names)) < len(names):
            raise ValueError("two guardrails have the same name")
        looks = self.interval / self.prometheus.scrape
        if looks < 1 or abs(looks - round(looks)) > 1e-9:
            raise ValueError("interval must be a multiple of the scrape interval")
        if self.deadline <= self.warmup:
            raise ValueError("deadline passes within the warm-up")
        return self


class Plan(Model):
    """A rollout plan: what to move, how far, and what must not get worse."""

    api_version: Literal["surefoot.dev/v1alpha1"]
    kind: Literal["RolloutPlan"]
    metadata: Metadata
    spec: Spec

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
        """Rollout id: the plan's name and its digest's first eight digits."""
        return f"{self.name}-{self.digest[:8]}"
