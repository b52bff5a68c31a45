"""Experiments: which guardrails' metrics are to get better, the dealing of traffic, the end."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from rollout.plan.fields.base import Model, Weight, Word
from rollout.plan.fields.codes import fault
from rollout.plan.fields.units import Duration
from rollout.plan.model.limits import TimeEdge
from rollout.plan.model.terms import Risk

MOST_GOALS = 20

FALSE_WINNER = 0.05
"""The chance of a wrong conclusion on any goal where a plan declares no experiment."""


class Goal(Model):
    """A guardrail whose metric is to get better: the canary must have fewer bad units."""

    guardrail: Word = Field(description="Name of the guardrail whose counts are compared.")
    edge: TimeEdge | None = Field(
        None,
        description="For a histogram with a tolerance: the bucket's edge beyond which units are "
        "bad, a time (250ms) or a number in the metric's unit.",
    )


class ExperimentEnd(Model):
    """When an experiment ends: by the first of these, counted at the ramp's last step."""

    after: Duration | None = Field(
        None, gt=0, description="Time at the last step; time that nobody looked does not count."
    )
    looks: int | None = Field(
        None, strict=True, ge=1, description="Looks at which a goal was compared."
    )
    requests: int | None = Field(
        None,
        strict=True,
        ge=1,
        description="Units of both versions, compared for the goal that has most.",
    )

    @model_validator(mode="after")
    def _check_ends(self) -> Self:
        if self.after is None and self.looks is None and self.requests is None:
            message = "an experiment needs an end: `after`, `looks` or `requests`"
            raise fault("P004", message, hint="write `end: {after: 7d}`")
        return self


class Allocation(Model):
    """How the shares of both versions follow the evidence of the first goal."""

    floor: Weight = Field(description="Least share of either version.", examples=["10%"])
    cap: Weight = Field(description="Largest share of either version.", examples=["80%"])
    every: int = Field(
        20, strict=True, ge=2, le=10_000, description="Compared looks between two moves at least."
    )

    @field_validator("cap")
    @classmethod
    def _check_ordered(cls, cap: float, info: ValidationInfo) -> float:
        floor = info.data.get("floor", 0.0)
        if floor > 0.5 or cap < 0.5:
            message = "half of the traffic must be within floor and cap of both versions"
            raise fault("P008", message)
        return cap

    @property
    def least(self) -> float:
        """The canary's least share: its floor, and what stable's cap leaves."""
        return round(max(self.floor, 1 - self.cap), 4)

    @property
    def most(self) -> float:
        """The canary's largest share: its cap, and what stable's floor leaves."""
        return round(min(self.cap, 1 - self.floor), 4)


class Trial(Model):
    """A comparison that asks whether the canary is better."""

    end: ExperimentEnd = Field(
        description="When it ends; nothing is concluded before, unless `early`."
    )
    false_winner: Risk = Field(
        FALSE_WINNER,
        description="Most acceptable chance that any goal is ever called better or worse wrongly.",
    )
    early: bool = Field(
        default=False, description="End as soon as every goal is known to be better or worse."
    )
    winner: Literal["ask", "promote"] = Field(
        "ask",
        description="What the end does: `promote` promotes a canary that is better at a goal, "
        "worse at none and safe, and takes back any other; `ask` pauses for a person.",
    )
    allocation: Allocation | None = Field(
        None, description="Shares that follow the evidence; fixed at the last step when left out."
    )
