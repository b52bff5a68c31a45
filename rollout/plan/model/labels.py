"""The labels by which a guardrail's series are found and its versions told apart."""

from __future__ import annotations

from pydantic import Field, ValidationInfo, field_validator

from rollout.plan.fields.base import Label, Model, Text
from rollout.plan.fields.codes import fault
from rollout.plan.fields.matchers import Matchers


class Having(Model):
    """A label and its value."""

    label: Label = Field(description="Name of the label.")
    value: Text = Field(description="The only value that is read.")


class ArmSelectors(Model):
    """A selector for each version, where no label holds its name."""

    stable: Matchers = Field(description="Labels of the series of the stable version.")
    canary: Matchers = Field(description="Labels of the series of the canary version.")

    @field_validator("canary")
    @classmethod
    def _check_apart(cls, canary: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        if canary == info.data.get("stable"):
            raise fault("P012", "stable has the same labels")
        return canary


class Labels(Model):
    """Names of the labels that find a metric's series."""

    service: Label | None = Field(None, description="Label that names the service.")
    version: Label | None = Field(None, description="Label that tells the two versions apart.")
    arms: ArmSelectors | None = Field(
        None, description="Instead of `version`: a selector for each of the two versions."
    )
    namespace: Label | None = Field(
        None,
        description="Label that holds the plan's namespace; without one services of the same name "
        "in several namespaces of one Prometheus are read as one.",
    )
    judge: Label | None = Field(
        None,
        description="Label that names the version of the judge that scored: what different ones "
        "scored is not compared, and the counts start anew with another one.",
    )
    where: list[Having] | None = Field(
        None, min_length=1, description="Labels whose values say which of several series is meant."
    )

    @field_validator("arms")
    @classmethod
    def _check_instead_of_version(
        cls, arms: ArmSelectors | None, info: ValidationInfo
    ) -> ArmSelectors | None:
        if arms is not None and info.data.get("version") is not None:
            raise fault("P016", "`version` tells the versions apart already: remove one of the two")
        return arms
