"""The holdback: a share of traffic stays on stable for a while after the last step."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo

from rollout.plan.fields.base import Model, Span, Weight, is_recorded, written
from rollout.plan.fields.codes import fault, raise_at
from rollout.plan.fields.units import percent


class Holdback(Model):
    """A last bake at nearly full weight: what shows only there is still rolled back."""

    share: Weight = Field(description="Stable's share of traffic meanwhile.", examples=["5%"])
    lasts: Span = written("1h", "How long, counted from the mesh's confirmation.")


def _check_rises(holdback: Holdback | None, info: ValidationInfo) -> Holdback | None:
    """Check that the holdback does not lower the canary's share of all traffic."""
    most, of_all = _find_ramp_top(info)
    if holdback is not None and 1 - holdback.share < most - 1e-9:
        stable, top = percent(holdback.share), f"{percent(most)}{of_all}"
        message = f"with {stable} for stable the canary gets less than the ramp's {top}"
        raise_at("holdback", (("share",), fault("P008", message)))
    return holdback


def _find_ramp_top(info: ValidationInfo) -> tuple[float, str]:
    """The ramp's largest share of all traffic, and a phrase that says when it is a segment's.

    The share is 0, which allows every holdback, when the ramp is itself a mistake, when the
    segment's share is unknown, or for plans from a journal: older versions accepted those without
    checking segments.
    """
    traffic, ramp = info.data.get("traffic"), info.data.get("ramp")
    segment = traffic.segment if traffic else None
    if ramp is None or segment is None:
        return (ramp.most if ramp else 0.0), ""
    segment_share = 0.0 if is_recorded(info) else segment.share or 0.0
    return ramp.most * segment_share, " of all traffic, at the top of its segment"


# In `Spec` the field comes after `ramp` and `traffic`. Pydantic validates in that order, so both
# are known here.
Holding = Annotated[Holdback | None, AfterValidator(_check_rises)]
