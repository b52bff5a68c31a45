"""The small blocks of a plan: its name, the versions, and the error rates."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rollout.plan.fields.base import Model, Name, Namespace, VersionText, written
from rollout.plan.fields.units import RISK, Duration, PercentOrNumber

Risk = Annotated[PercentOrNumber, Field(gt=0, lt=0.5), RISK]


class Metadata(Model):
    """How the plan is named."""

    name: Name = Field(description="Name of the rollout, as used by every command.")
    namespace: Namespace = Field("default", description="Namespace of the service.")


class Version(Model):
    """One of the two versions."""

    version: VersionText = Field(
        description="Value of the version label that marks this arm's series."
    )


class Confidence(Model):
    """Declared error rates: each holds however often the evidence is looked at."""

    false_rollback: Risk = Field(
        0.01,
        description="Most acceptable chance of ever rolling back a harmless canary.",
    )
    false_promotion: Risk = Field(
        0.05,
        description="Most acceptable chance of promoting a canary worse than its margins.",
    )


class WhenBlind(Model):
    """What to do without data."""

    hold: Duration = written("15m", "How long to hold without data before acting.")
    then: Literal["pause", "rollback"] = Field("pause", description="What to do after that.")
