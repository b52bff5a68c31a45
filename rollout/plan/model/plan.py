"""The plan as pydantic models.

Every field has a description, which goes into the JSON Schema, the CRD and so into editors.
"""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from rollout.plan.fields.base import Model, Span, Word, is_recorded, is_word, written
from rollout.plan.fields.codes import fault, raise_at
from rollout.plan.fields.units import Duration, duration
from rollout.plan.model.guardrail import Guardrail, find_wrong_references
from rollout.plan.model.holdback import Holding
from rollout.plan.model.hooks import Hooks
from rollout.plan.model.labels import Labels
from rollout.plan.model.limits import Margin
from rollout.plan.model.mesh.policy import Policy
from rollout.plan.model.mesh.policy_fit import check_policy_fits
from rollout.plan.model.mesh.route import Route
from rollout.plan.model.mesh.traffic import Traffic, check_ramp_fits, check_traffic_fits
from rollout.plan.model.pods import LEAST, CountedPods, Pods, PodsChoice
from rollout.plan.model.prometheus import Prometheus, PrometheusServer
from rollout.plan.model.ramp import Budget, Ramp, Steps, Switch
from rollout.plan.model.release import Release
from rollout.plan.model.terms import (
    FULL,
    Authority,
    Confidence,
    Metadata,
    Version,
    WhenBlind,
    only_observes,
)
from rollout.plan.model.trial.fit import check_experiment_fits, check_goals_fit
from rollout.plan.model.trial.segments import (
    SegmentGuardrail,
    SegmentLabel,
    check_segments_fit,
    split_guardrails,
)
from rollout.plan.model.trial.terms import FALSE_WINNER, Goal, Trial

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

FOLLOW_WITHIN = 300.0  # seconds


class Spec(Model):
    """What moves, how far, and what must not get worse."""

    service: Word = Field(description="The service whose traffic is split.")
    stable: Version = Field(description="The version that serves now.")
    canary: Version = Field(description="The version to be rolled out.")
    release: Release | None = Field(
        None, description="What the canary is made of, by names and digests alone."
    )
    route: Route = Field(description="Where the weights live.")
    traffic: Traffic | None = Field(
        None, description="Which requests the canary gets; a share of all when left out."
    )
    ramp: Ramp = Field(description="How the canary's weight grows.")
    holdback: Holding = Field(None, description="A last bake before the promotion.")
    guardrails: list[Guardrail] = Field(min_length=1, description="What must not get worse.")
    goals: list[Goal] | None = Field(
        None, min_length=1, description="What is to get better, of what is guarded."
    )
    segments: list[SegmentLabel] | None = Field(
        None,
        min_length=1,
        description="Labels that split the guardrails' units: harm to one segment rolls back too.",
    )
    confidence: Confidence = Field(Confidence(), description="Declared error rates.")
    prometheus: Prometheus = Field(Prometheus(), description="Where the evidence is read.")
    interval: Span = written(
        "30s", "Longest time between looks, a multiple of the scrape interval."
    )
    warmup: Duration = written(
        "2m", "Time from the canary's first request that only a crash watch judges."
    )
    when_blind: WhenBlind = Field(WhenBlind(), description="What to do without data.")
    deadline: Span = written("24h", "Longest time to a decision.")
    when_inconclusive: Literal["pause", "rollback", "promote"] = Field(
        "pause", description="What to do when the deadline passes without proof."
    )
    experiment: Trial | None = Field(
        None,
        description="An A/B experiment at the ramp's last step: its end, and what a winner does.",
    )
    patience: Span = written("24h", "How long a pause waits for a person before rolling back.")
    on_drift: Literal["adopt", "revert", "pause"] = Field(
        "pause", description="What to do when someone else moves the weights."
    )
    authority: Authority | None = Field(
        None,
        description="How much is ours to do (full when left out): `observe` writes nothing to the "
        "mesh and records what it would do, `abort-only` writes rollbacks alone, `advance` asks a "
        "person for the promotion.",
    )
    await_endpoints: bool | None = Field(
        default=None,
        description="Wait with the first weight until the canary has ready endpoints, where that "
        "can be known (true when left out); `false` lets a canary begin that scales from zero.",
    )
    follow_within: Duration | None = Field(
        None,
        description="How long the end waits until the counted requests follow the last write "
        "(5m when left out); `0s` ends at once, whatever the traffic does.",
    )
    drain: Duration | None = Field(
        None,
        description="How long requests from before a write may still arrive; the policy's or "
        "the route's time-out, else 1m, when left out.",
    )
    hooks: Hooks = Field(
        None, description="Addresses that are called before the first step and after the end."
    )
    pods: PodsChoice | None = Field(
        None,
        description="What to measure of stable's pods, or `none`; without a label, pods are found "
        "by one that tells them apart, and where there is none stable's totals tell how errors "
        "come.",
    )
    policy: Policy | None = Field(
        None,
        description="How the mesh treats both versions; left as it is when left out.",
    )

    @property
    def false_winner(self) -> float:
        """The chance that any goal is ever called better or worse wrongly."""
        return self.experiment.false_winner if self.experiment else FALSE_WINNER

    @cached_property
    def segment_guardrails(self) -> tuple[SegmentGuardrail, ...]:
        """The guardrails of single segments, which are judged beside the plan's own."""
        return split_guardrails(self.segments or (), self.guardrails)

    @property
    def before(self) -> float | None:
        """Seconds of stable before a switch that the canary is compared with.

        None when both versions serve at the same time and are compared with each other.
        """
        return self.ramp.blue_green.before if isinstance(self.ramp, Switch) else None

    @property
    def waits_for_endpoints(self) -> bool:
        """Whether the first weight waits until the canary has ready endpoints."""
        return self.await_endpoints is not False

    @property
    def learns_totals(self) -> bool:
        """Whether stable's totals tell how errors come: no pods, and evidence beside stable.

        What hits both versions alike does not cancel between a canary and the time before.
        """
        has_evidence = any(guardrail.never is None for guardrail in self.guardrails)
        return self.declared_pods is None and self.before is None and has_evidence

    @property
    def declared_pods(self) -> Pods | None:
        """What the plan declares of pods; None where it declares nothing, or `none`."""
        return self.pods if isinstance(self.pods, Pods) else None

    @property
    def finds_pods(self) -> bool:
        """Whether a label that tells pods apart is looked for: none is declared, and not `none`."""
        is_open = self.pods is None or isinstance(self.pods, CountedPods)
        return is_open and self.before is None

    @property
    def canary_pods(self) -> int | None:
        """How many pods the canary gets, as the plan says; None where they are to be counted."""
        return self.pods.canary if isinstance(self.pods, Pods | CountedPods) else None

    @property
    def follows_within(self) -> float:
        """Seconds that the end waits at most until the traffic follows the last write."""
        return FOLLOW_WITHIN if self.follow_within is None else self.follow_within

    @property
    def drains_within(self) -> float | None:
        """Seconds in which requests that began before a write have ended; None: the route's."""
        if self.drain is not None:
            return self.drain
        return self.policy.timeout if self.policy else None

    @field_validator("follow_within")
    @classmethod
    def _leave_out_default_time(cls, value: float | None) -> float | None:
        """Leave 5 minutes out: a plan has one digest, however it is spelt."""
        return None if value == FOLLOW_WITHIN else value

    @field_validator("authority")
    @classmethod
    def _check_authority(cls, value: Authority | None, info: ValidationInfo) -> Authority | None:
        """Leave `full` out, so that a plan has one digest; who only observes makes no route."""
        route = info.data.get("route")
        if value is not None and only_observes(value) and route is not None and route.creates:
            raise fault("P022", f"with `{value}` nothing is made: leave `create` out of the route")
        return None if value == FULL else value

    @field_validator("await_endpoints")
    @classmethod
    def _leave_out_default(cls, value: bool | None) -> bool | None:
        """Leave `true` out: a plan has one digest, however it is spelt."""
        return None if value else value

    # Each rule is a validator of the field that breaks it. So it is reported at that field, and
    # together with all other mistakes. Pydantic validates fields in the order above: `info.data`
    # holds only earlier fields, and of those only the valid ones.
    @field_validator("canary")
    @classmethod
    def _check_another_version(cls, canary: Version, info: ValidationInfo) -> Version:
        stable = info.data.get("stable")
        if stable == canary:
            raise_at("canary", (("version",), fault("P012", "stable is the same version")))
        return canary

    @field_validator("route")
    @classmethod
    def _check_versions_are_names(cls, route: Route, info: ValidationInfo) -> Route:
        """Check that versions can name destinations, where the plan leaves these names out."""
        key = route.names_by_version
        creates = route.istio is not None and route.istio.create is not None
        for arm in ("stable", "canary"):
            version = info.data[arm].version if arm in info.data else ""
            if (key or creates) and version and not is_word(version):
                message = f"`{version}` cannot be the name of a destination or the value of a label"
                raise fault("P024", message, hint=f"name both in `{key}`" if key else "")
        return route

    @field_validator("guardrails")
    @classmethod
    def _check_named_once(cls, guardrails: list[Guardrail]) -> list[Guardrail]:
        names = [guardrail.name for guardrail in guardrails]
        if twins := repeated(names):
            raise_at("guardrails", *[((n, "name"), twin(names[n])) for n in twins])
        return guardrails

    @field_validator("guardrails")
    @classmethod
    def _check_judged(cls, guardrails: list[Guardrail], info: ValidationInfo) -> list[Guardrail]:
        """Check that harm of something can be shown."""
        is_judged = any(g.metric.is_evidence and g.metric.pairs is None for g in guardrails)
        if guardrails and not is_judged and not is_recorded(info):
            what = "sums and exposures show no harm and prove nothing"
            if any(guardrail.metric.pairs is not None for guardrail in guardrails):
                what = "pairs, sums and exposures show no harm to requests"
            message = f"{what}: nothing else is guarded"
            raise fault("P028", message, hint="add a guardrail of errors, with a margin")
        return guardrails

    @field_validator("guardrails")
    @classmethod
    def _check_references(cls, guardrails: list[Guardrail]) -> list[Guardrail]:
        if wrong := [*find_wrong_references(guardrails)]:
            raise_at("guardrails", *wrong)
        return guardrails

    @field_validator("goals")
    @classmethod
    def _check_goals(cls, goals: list[Goal] | None, info: ValidationInfo) -> list[Goal] | None:
        if goals is not None and "guardrails" in info.data:
            check_goals_fit(goals, info.data["guardrails"])
        return goals

    @field_validator("segments")
    @classmethod
    def _check_segments(
        cls, segments: list[SegmentLabel] | None, info: ValidationInfo
    ) -> list[SegmentLabel] | None:
        if segments is not None and "guardrails" in info.data:
            check_segments_fit(segments, info.data["guardrails"])
        return segments

    @field_validator("experiment")
    @classmethod
    def _check_experiment(cls, experiment: Trial | None, info: ValidationInfo) -> Trial | None:
        if experiment is not None:
            check_experiment_fits(experiment, info.data)
        return experiment

    @field_validator("interval")
    @classmethod
    def _check_interval(cls, interval: float, info: ValidationInfo) -> float:
        if "prometheus" not in info.data:
            return interval
        scrape = info.data["prometheus"].scrape
        scrapes = interval / scrape
        if scrapes < 1 or abs(scrapes - round(scrapes)) > 1e-9:
            raise fault(
                "P011",
                f"the interval {duration(interval)} is not a multiple of "
                f"the scrape interval {duration(scrape)}",
                hint=f"write `interval: {duration(scrape * max(1, round(scrapes)))}`",
            )
        return interval

    @field_validator("ramp")
    @classmethod
    def _check_fits_traffic(cls, ramp: Ramp, info: ValidationInfo) -> Ramp:
        if "traffic" in info.data:
            check_ramp_fits(ramp, info.data["traffic"])
        return ramp

    @field_validator("warmup")
    @classmethod
    def _check_leaves_baseline(cls, warmup: float, info: ValidationInfo) -> float:
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
    def _check_after_warmup(cls, deadline: float, info: ValidationInfo) -> float:
        warmup = info.data.get("warmup", 0.0)
        if deadline <= warmup:
            raise fault(
                "P013",
                f"the deadline of {duration(deadline)} must be longer than the warm-up "
                f"({duration(warmup)})",
            )
        return deadline

    @field_validator("pods")
    @classmethod
    def _check_long_enough(cls, pods: PodsChoice | None, info: ValidationInfo) -> PodsChoice | None:
        least = LEAST * info.data.get("interval", 0.0)
        if isinstance(pods, Pods) and pods.history < least:
            message = f"a history of {duration(pods.history)} holds fewer than {LEAST:,} looks"
            hint = f"write `history: {duration(least)}` or more"
            raise_at("pods", (("history",), fault("P015", message, hint=hint)))
        return pods

    @field_validator("traffic")
    @classmethod
    def _check_mesh_supports_traffic(
        cls, traffic: Traffic | None, info: ValidationInfo
    ) -> Traffic | None:
        if traffic is not None and "route" in info.data:
            check_traffic_fits(traffic, info.data["route"])
        return traffic

    @field_validator("policy")
    @classmethod
    def _check_mesh_supports_policy(
        cls, policy: Policy | None, info: ValidationInfo
    ) -> Policy | None:
        if policy is not None and "route" in info.data:
            check_policy_fits(policy, info.data["route"], info.data.get("traffic"))
        return policy


def repeated(names: list[Any]) -> list[int]:
    """Find the indices of names that occur earlier in the list."""
    first: dict[str, int] = {}
    for index, name in enumerate(names):
        if isinstance(name, str):
            first.setdefault(name, index)
    return [i for i, name in enumerate(names) if isinstance(name, str) and first[name] != i]


def twin(name: str) -> PydanticCustomError:
    """Make the mistake of a name that is given twice."""
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

    def reading_by_default(self, default: PrometheusServer | None) -> Plan:
        """Return the plan with the controller's default, if it does not name a server itself."""
        is_named = "url" in self.spec.prometheus.model_fields_set
        return self if is_named else self.reading_at(default)

    def reading_at(self, default: PrometheusServer | None) -> Plan:
        """Return the plan as it is read at a default server; its digest is the same."""
        if default is None:
            return self
        prometheus = self.spec.prometheus.reading_at(default)
        spec = self.spec.model_copy(update={"prometheus": prometheus})
        return self.model_copy(update={"spec": spec})

    def with_full_authority(self) -> Plan:
        """Return the plan as full authority carries it out, to rehearse what would be decided."""
        spec = self.spec.model_copy(update={"authority": None})
        return self.model_copy(update={"spec": spec})

    def promoting_winners(self) -> Plan:
        """Return the plan whose experiment promotes a winner itself, to rehearse its end."""
        trial = self.spec.experiment
        if trial is None or trial.winner == "promote":
            return self
        promoting = trial.model_copy(update={"winner": "promote"})
        spec = self.spec.model_copy(update={"experiment": promoting})
        return self.model_copy(update={"spec": spec})

    def document(self) -> dict[str, Any]:
        """The plan as plain data, itself a valid plan document."""
        return self.model_dump(by_alias=True, exclude_none=True, mode="json")

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical document, in hexadecimal.

        It is equal for every spelling of one plan.
        """
        text = json.dumps(self.document(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def id(self) -> str:
        """The rollout id: the plan's name and the first eight digits of its digest.

        It is valid as the value of a Kubernetes label.
        """
        return f"{self.name}-{self.digest[:8]}"
