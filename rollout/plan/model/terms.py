"""The small blocks of a plan: its name, versions, error rates, and how much is ours to do."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

from rollout.plan.fields.base import LineText, Model, Name, Namespace, written
from rollout.plan.fields.units import RISK, Duration, PercentOrNumber

Risk = Annotated[PercentOrNumber, Field(gt=0, lt=0.5), RISK]

Authority = Literal["observe", "abort-only", "advance", "full"]

AUTHORITIES: tuple[Authority, ...] = get_args(Authority)
"""Every authority, the narrowest first: each allows what those before it allow."""

FULL: Authority = "full"


def find_narrowest(*authorities: Authority | None) -> Authority:
    """Return the narrowest of several; what none declares is full."""
    declared = [authority or FULL for authority in authorities]
    return min(declared, key=AUTHORITIES.index, default=FULL)


def only_observes(authority: Authority) -> bool:
    """Return whether the weights are moved by others: it has no ramp of its own."""
    return authority in {"observe", "abort-only"}


def may_write(authority: Authority, *, is_back: bool) -> bool:
    """Return whether a write to the mesh is allowed; `is_back`: it leaves the canary nothing."""
    return not only_observes(authority) or (is_back and authority == "abort-only")


class Metadata(Model):
    """How the plan is named."""

    name: Name = Field(description="Name of the rollout, as used by every command.")
    namespace: Namespace = Field("default", description="Namespace of the service.")


class Version(Model):
    """One of the two versions."""

    version: LineText = Field(
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
