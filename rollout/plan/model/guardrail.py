"""Guardrails: what must not get worse, and how much worse is still acceptable."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo, field_validator

from rollout.plan.fields.base import Label, Model, Number, Text, Word, written
from rollout.plan.fields.codes import fault
from rollout.plan.fields.templates import TEMPLATES, Template
from rollout.plan.fields.units import Duration, PercentOrNumber


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


class Having(Model):
    """A label and its value."""

    label: Label = Field(description="Name of the label.")
    value: Text = Field(description="The only value that is read.")


class Labels(Model):
    """Names of the labels that find a metric's series."""

    service: Label | None = Field(None, description="Label that names the service.")
    version: Label | None = Field(None, description="Label that tells the two versions apart.")
    namespace: Label | None = Field(
        None,
        description="Label that holds the plan's namespace; without one services of the same name "
        "in several namespaces of one Prometheus are read as one.",
    )
    where: list[Having] | None = Field(
        None, min_length=1, description="Labels whose values say which of several series is meant."
    )


def _require_key(kind: str, key: str) -> dict[str, Any]:
    """JSON Schema: templates of this kind require this key, and all others forbid it."""
    names = sorted(name for name, template in TEMPLATES.items() if template.kind == kind)
    return {
        "if": {"properties": {"template": {"enum": names}}, "required": ["template"]},
        "then": {"required": [key]},
        "else": {"properties": {key: {"type": "null"}}},
    }


class Guardrail(Model):
    """One metric that the canary must not make worse than its margin or tolerance allows."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [_require_key("rate", "margin"), _require_key("shape", "tolerance")]
        }
    )

    name: Word = Field(description="Name of this guardrail in the log.")
    template: str = Field(
        description="Metric template: which series is read, and what is bad.",
        json_schema_extra={"enum": [*sorted(TEMPLATES)]},
    )
    margin: Margin | None = Field(
        None, validate_default=True, description="For rates: how much worse is acceptable."
    )
    tolerance: Tolerance | None = Field(
        None,
        validate_default=True,
        description="For latency (a share, 10%) and scores (in their unit, 0.02).",
    )
    importance: Number = Field(
        1.0, gt=0, le=100, description="Weight in the joint evidence that leads to a rollback."
    )
    lag: Duration = written(
        "0s", "How late this metric's samples arrive, e.g. while a judge scores them."
    )
    labels: Labels = Field(
        Labels(), description="Label names, where they differ from the template."
    )

    @field_validator("template")
    @classmethod
    def _check_known(cls, name: str) -> str:
        if name not in TEMPLATES:
            raise fault("P006", f"there is no template `{name}`", choices=sorted(TEMPLATES))
        return name

    @field_validator("margin", "tolerance")
    @classmethod
    def _check_fits_template(cls, value: Any, info: ValidationInfo) -> Any:
        name, key = info.data.get("template"), info.field_name
        if name is None:  # the template itself is a mistake, reported at its own field
            return value
        is_rate = TEMPLATES[name].kind == "rate"
        noun, due = ("rate", "margin") if is_rate else ("histogram", "tolerance")
        if value is None and key == due:
            raise fault("P004", f"missing key `{due}`, which {name} needs as a {noun}")
        if value is not None and key != due:
            raise fault("P014", f"{name} is a {noun}: replace `{key}` by `{due}`")
        return value

    @property
    def source(self) -> Template:
        """The template that the metric is read with."""
        return TEMPLATES[self.template]
