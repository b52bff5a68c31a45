"""What a guardrail allows: a tolerance, a margin, one of the share beyond an edge, or nothing."""

from __future__ import annotations

import re
import sys
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from rollout.plan.fields.base import Model, Number
from rollout.plan.fields.codes import fault
from rollout.plan.fields.units import PercentOrNumber
from rollout.plan.model.mesh.route import one_of, only

_TIME = re.compile(r"([0-9]+(?:\.[0-9]+)?)(us|ms|s|m)")
_SECONDS = {"us": Decimal("1e-6"), "ms": Decimal("1e-3"), "s": Decimal(1), "m": Decimal(60)}


def _check_tolerance(value: float) -> float:
    if value == 0:
        raise fault(
            "P007",
            "a tolerance of 0 can never be proven: allow some difference, such as 10 %",
        )
    if not 0 < value < 10:
        raise fault("P006", "a tolerance is more than 0 and less than 10 (1,000 %)")
    return value


Tolerance = Annotated[PercentOrNumber, AfterValidator(_check_tolerance)]


Times = Annotated[PercentOrNumber, Field(gt=0, le=100)]


class Margin(Model):
    """How much worse is still acceptable: p_canary <= ratio * p_stable + absolute."""

    ratio: Number = Field(1.0, ge=1, le=100, description="Acceptable ratio of bad shares.")
    absolute: PercentOrNumber = Field(
        0.0,
        ge=0,
        lt=1,
        validate_default=True,
        description="Acceptable difference of bad shares, added to the ratio.",
    )

    @field_validator("absolute")
    @classmethod
    def _check_not_zero(cls, value: float, info: ValidationInfo) -> float:
        if value == 0 and info.data.get("ratio") == 1:
            raise fault(
                "P007",
                "a margin of ratio 1 and absolute 0 can never be proven: allow some difference",
                hint="raise ratio or absolute",
            )
        return value


def _read_time(value: Any) -> str | float:
    """Read `250ms` as seconds, exactly, in one spelling; a number stays as it is."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and 0 < value <= sys.float_info.max:
        return float(value)
    match = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or not (seconds := Decimal(match[1]) * _SECONDS[match[2]]):
        raise ValueError("write a time, 250ms or 1.5s, or a number above zero in the metric's unit")
    return f"{seconds.normalize():f}s"


# A time's edge is a number that buckets have exactly: `250ms` is 0.25 s, and 250 ms.
TimeEdge = Annotated[
    str | float,
    BeforeValidator(_read_time),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(us|ms|s|m)$"},
                {"type": "number", "exclusiveMinimum": 0},
            ],
            "examples": ["250ms", "1.5s"],
        }
    ),
]


def _check_limit(value: float) -> float:
    if not 0 < value < 1:
        raise fault("P006", "a limit is more than 0 % and less than 100 %")
    return value


Limit = Annotated[PercentOrNumber, AfterValidator(_check_limit)]


class Never(Model):
    """What must not happen, however rarely: no evidence is weighed, occurrences are counted."""

    count: int = Field(
        1, strict=True, ge=1, description="So many bad units of the canary roll back at once."
    )


def find_edge_in(edge: str | float, unit: str) -> float:
    """Return the edge of a bucket as a number in `s` or `ms`, or in the metric's own unit."""
    if isinstance(edge, float):
        return edge
    seconds = Decimal(edge.removesuffix("s"))
    return float(seconds if unit == "s" else seconds * 1000)


_EDGE = "It must be the edge of a bucket of both versions."


class Edge(Model):
    """What is allowed of the share beyond an edge: more than stable's, or a share of its own."""

    model_config = one_of("margin", "limit")

    margin: Margin | None = Field(
        None, description="How much larger the canary's share of them may be."
    )
    limit: Limit | None = Field(
        None, description="The largest share of the canary beyond the edge, without stable."
    )

    @model_validator(mode="after")
    def _check_one_bound(self) -> Self:
        only(self, "an edge", "margin", "limit")
        return self


class Slower(Edge):
    """How many units may take longer than a time."""

    than: TimeEdge = Field(description=f"A time, 250ms, or a number in the metric's unit. {_EDGE}")

    def find_edge(self, unit: str) -> float:
        """Return the edge in `s` or `ms`."""
        return find_edge_in(self.than, unit)


class Above(Edge):
    """How many values may lie above one."""

    value: Number = Field(description=f"A value in the metric's unit. {_EDGE}")

    def find_edge(self, _unit: str) -> float:
        """Return the edge in the metric's own unit."""
        return self.value


class Below(Edge):
    """How many scores may lie at one or below."""

    score: Number = Field(description=f"A score; those that are equal count too. {_EDGE}")

    def find_edge(self, _unit: str) -> float:
        """Return the edge in the metric's own unit."""
        return self.score
