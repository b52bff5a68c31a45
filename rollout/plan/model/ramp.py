"""How the canary's weight grows: by fixed steps, by a harm budget, or by one switch."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Self

from pydantic import Discriminator, Field, Tag, ValidationInfo, field_validator, model_validator

from rollout.plan.fields.base import Model, Number, Rung, Span, Weight
from rollout.plan.fields.codes import fault, raise_at
from rollout.plan.fields.units import Duration, percent
from rollout.plan.model.mesh.route import one_of, only


class Steps(Model):
    """A fixed ladder of weights."""

    steps: list[Rung] = Field(
        min_length=1,
        description="Canary weights, increasing, below 100 % but of a segment; promotion itself "
        "goes to 100 %.",
    )
    bake: Duration = Field(
        description="Least time at each step, counted from the mesh's confirmation of its weight."
    )

    @field_validator("steps")
    @classmethod
    def _check_increasing(cls, steps: list[float]) -> list[float]:
        falls = [
            ((index,), fault("P008", _describe_fall(after, before)))
            for index, (before, after) in enumerate(pairwise(steps), 1)
            if after <= before
        ]
        if falls:
            raise_at("steps", *falls)
        return steps

    @property
    def least(self) -> float:
        return self.steps[0]

    @property
    def most(self) -> float:
        return self.steps[-1]


def _describe_fall(after: float, before: float) -> str:
    """Describe a step that is not higher than the one before it."""
    relation = "equal to" if after == before else "lower than"
    return f"step {percent(after)} is {relation} the one before ({percent(before)})"


class Budget(Model):
    """A ramp paced by evidence: the weight grows as the worst credible harm shrinks."""

    harm_budget: Number = Field(
        gt=0, description="Excess bad requests that may be risked until the next look."
    )
    min: Weight = Field(description="First and smallest canary weight.")
    max: Weight = Field(description="Largest canary weight; promotion is decided there.")
    bake: Duration = Field(description="Least time between two increases, from confirmation.")

    @field_validator("max")
    @classmethod
    def _check_ordered(cls, value: float, info: ValidationInfo) -> float:
        least = info.data.get("min", value)
        if value < least:
            raise fault("P008", f"max {percent(value)} is lower than min {percent(least)}")
        return value

    @property
    def least(self) -> float:
        return self.min

    @property
    def most(self) -> float:
        return self.max


class BlueGreen(Model):
    """What the new version is compared with after the switch: one of two."""

    model_config = one_of("holdback", "before")

    holdback: Weight | None = Field(
        None, description="Share of traffic that the old version keeps until the promotion."
    )
    before: Span | None = Field(
        None,
        description="Time of stable before a switch of all traffic, its warm-up not counted; "
        "the verdict is then observational.",
    )

    @model_validator(mode="after")
    def _check_one_of_them(self) -> Self:
        only(self, "`blueGreen`", "holdback", "before")
        return self


class Switch(Model):
    """Blue-green: a ladder of one step, at once to all traffic that is not held back."""

    blue_green: BlueGreen = Field(description="One switch, judged there, and instantly back.")
    bake: Duration = Field(description="Least time after the switch, from its confirmation.")

    @property
    def steps(self) -> list[float]:
        return [round(1 - (self.blue_green.holdback or 0.0), 4)]

    @property
    def least(self) -> float:
        return self.steps[0]

    @property
    def most(self) -> float:
        return self.steps[0]


# No key can be spelled like a tag, so a tag in an error's location is never taken for a key.
KINDS: dict[str, type[Steps | Budget | Switch]] = {
    "<steps>": Steps,
    "<budget>": Budget,
    "<switch>": Switch,
}


def _choose_kind(ramp: Any) -> str:
    """Choose the kind of ramp by the keys that are present.

    So a mistake is reported for the kind that the user meant, and not once for every kind.
    """
    if isinstance(ramp, dict):
        if "blueGreen" in ramp:
            return "<switch>"
        is_budget = "harmBudget" in ramp or ("steps" not in ramp and {"min", "max"} & ramp.keys())
        return "<budget>" if is_budget else "<steps>"
    return next((tag for tag, kind in KINDS.items() if isinstance(ramp, kind)), "<steps>")


Ramp = Annotated[
    Annotated[Steps, Tag("<steps>")]
    | Annotated[Budget, Tag("<budget>")]
    | Annotated[Switch, Tag("<switch>")],
    Discriminator(_choose_kind),
]
