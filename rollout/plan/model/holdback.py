"""The holdback: a share of traffic that stays on stable for a while after everything is proven."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo

from rollout.plan.fields.base import RECORDED, Model, Span, Weight, written
from rollout.plan.fields.codes import fault, raise_at
from rollout.plan.fields.units import percent


class Holdback(Model):
    """A last bake at nearly full weight: what shows only there is still rolled back."""

    share: Weight = Field(description="Stable's share of traffic meanwhile.", examples=["5%"])
    lasts: Span = written("1h", "How long, counted from the mesh's confirmation.")


def _rises(holdback: Holdback | None, info: ValidationInfo) -> Holdback | None:
    """The canary's share of all traffic is no smaller than at the top of the ramp."""
    most, of_all = _top(info)
    if holdback is not None and 1 - holdback.share < most - 1e-9:
        stable, top = percent(holdback.share), f"{percent(most)}{of_all}"
        said = f"{stable} for stable leaves less than the ramp's {top}"
        raise_at("holdback", (("share",), fault("P008", said)))
    return holdback


def _top(info: ValidationInfo) -> tuple[float, str]:
    """The ramp's largest share of all traffic, and words for where it is a segment's.

    Nothing where it is not known. Plans of a journal were accepted before segments were checked.
    """
    traffic, ramp = info.data.get("traffic"), info.data.get("ramp")
    segment = traffic.segment if traffic else None
    if ramp is None or segment is None:
        return (ramp.most if ramp else 0.0), ""
    known = 0.0 if info.context == RECORDED else segment.share or 0.0
    return ramp.most * known, " of all traffic, at the top of its segment"


# Its field stands after `ramp`, so that the ramp is known here.
Holding = Annotated[Holdback | None, AfterValidator(_rises)]
