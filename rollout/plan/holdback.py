"""The holdback: a share of traffic that stays on stable for a while after everything is proven."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo

from rollout.plan.base import Model, Span, Weight, written
from rollout.plan.codes import fault, raise_at
from rollout.plan.units import percent


class Holdback(Model):
    """A last bake at nearly full weight: what shows only there is still rolled back."""

    share: Weight = Field(description="Stable's share of traffic meanwhile.", examples=["5%"])
    lasts: Span = written("1h", "How long, counted from the mesh's confirmation.")


def _rises(holdback: Holdback | None, info: ValidationInfo) -> Holdback | None:
    """The canary's weight is no smaller than at the top of the ramp."""
    traffic = info.data.get("traffic")
    whole = "ramp" in info.data and not (traffic and traffic.segment)  # a segment is less than all
    most = info.data["ramp"].most if whole else 0.0
    if holdback is not None and 1 - holdback.share < most - 1e-9:
        said = f"{percent(holdback.share)} for stable leaves less than the ramp's {percent(most)}"
        raise_at("holdback", (("share",), fault("P008", said)))
    return holdback


# Its field stands after `ramp`, so that the ramp is known here.
Holding = Annotated[Holdback | None, AfterValidator(_rises)]
