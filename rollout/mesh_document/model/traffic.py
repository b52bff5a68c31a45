"""Policies of traffic: each splits a service's requests between two versions."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, field_validator

from rollout.mesh_document.model.host import OwnHost
from rollout.mesh_document.model.service import ObjectName
from rollout.plan.fields.base import Model, Number
from rollout.plan.fields.codes import fault, raise_at
from rollout.plan.model.mesh.traffic import Segment

_STEP = 0.01  # the smallest part of 100 that a split can hold


def _check_weight(value: float) -> float:
    if abs(value / _STEP - round(value / _STEP)) > 1e-6:
        raise fault("P009", "a weight is a multiple of 0.01, the smallest that a split can hold")
    return round(value, 2)


class Destination(Model):
    """One of the two versions, and its share."""

    destination: OwnHost = Field(
        description="A service of the document, or a version of it: `<service>-<version>`."
    )
    weight: Annotated[Number, AfterValidator(_check_weight)] = Field(
        ge=0, le=100, description="Its share in per cent; both make 100."
    )


class TrafficPolicy(Model):
    """One split of a service's requests: it becomes a plan."""

    name: ObjectName = Field(description="Its name, which is the plan's.")
    match: Segment | None = Field(
        None, description="Only these requests are split; all others go to stable."
    )
    routes: list[Destination] = Field(
        min_length=1, description="The two versions that the requests are split between."
    )

    @field_validator("routes")
    @classmethod
    def _check_is_plan(cls, routes: list[Destination]) -> list[Destination]:
        if len(routes) != 2:
            count = "one destination" if len(routes) == 1 else f"{len(routes)} destinations"
            raise fault(
                "P033",
                f"{count}: a plan moves traffic between two",
                hint="name stable and the canary; a third version is a policy of its own",
            )
        total = round(sum(route.weight for route in routes), 2)
        if total != 100:
            raise fault("P033", f"the weights make {total:g}, not 100")
        if routes[0].destination == routes[1].destination:
            twin = fault("P012", "both destinations are the same")
            raise_at("routes", ((1, "destination"), twin))
        return routes
