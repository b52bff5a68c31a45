"""What to learn from stable's pods.

Their history shows how much requests of one pod depend on each other, so that the tests need not
assume independent requests.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from rollout.plan.fields.base import Label, Model, Span, written

Count = Annotated[int, Field(strict=True, ge=1, le=10_000)]

LEAST = 480
"""Fewest looks in a history (`analysis.dispersion.estimate`); 12 h at 30 s are 1,440."""


class Pods(Model):
    """Pods differ and errors come in bursts: stable's own past says by how much."""

    label: Label = Field(description="Label that tells one version's pods apart.", examples=["pod"])
    canary: Count | None = Field(
        None, description="Number of canary pods; counted from its series when left out."
    )
    history: Span = written("12h", "How much of stable's past is read before the first step.")
    when_unknown: Literal["assume", "pause", "refuse"] = Field(
        "pause",
        description="Where that past is missing or allows no valid test: take requests as "
        "independent, pause for a person, or do not begin.",
    )
    require_calibration: bool = Field(
        False,
        strict=True,
        description="Begin only if `surefoot calibrate` has shown that the false-rollback rate "
        "holds on stable's own past.",
    )


class CountedPods(Model):
    """How many pods the canary gets; the label that tells pods apart is to be found."""

    canary: Count = Field(description="Number of canary pods.")


def _choose_kind(pods: Any) -> str:
    """Choose by the kind of value, so that a mistake is reported for what the user meant."""
    if isinstance(pods, CountedPods) or (isinstance(pods, dict) and pods.keys() == {"canary"}):
        return "<counted>"
    return "<none>" if isinstance(pods, str) else "<pods>"


# As of ramps, no key can be spelled like a tag.
TAGS = frozenset({"<none>", "<pods>", "<counted>"})

PodsChoice = Annotated[
    Annotated[Pods, Tag("<pods>")]
    | Annotated[CountedPods, Tag("<counted>")]
    | Annotated[Literal["none"], Tag("<none>")],
    Discriminator(_choose_kind),
]
"""Pods as they are declared, the canary's number alone, or `none`: no pods are to be found."""
