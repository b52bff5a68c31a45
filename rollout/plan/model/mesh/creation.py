"""What a plan says about routing objects that the controller creates where they are missing."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from rollout.plan.fields.base import Model, Namespace, ObjectName, Port, Text
from rollout.plan.fields.codes import fault, raise_at


class IstioCreation(Model):
    """What a new VirtualService says beside its one HTTP route to stable."""

    gateways: list[Text] | None = Field(
        None, min_length=1, description="Its `gateways`; the mesh's sidecars when left out."
    )
    hosts: list[Text] | None = Field(
        None, min_length=1, description="Its `hosts`; the service when left out."
    )
    port: Port | None = Field(
        None, description="Port of the destinations; needed where their Service has several."
    )


class Parent(Model):
    """What a new route attaches to."""

    name: ObjectName = Field(description="Name of the Gateway, or of a Service as parent.")
    namespace: Namespace | None = Field(
        None, description="Its namespace; the plan's when left out."
    )
    section_name: Text | None = Field(
        None, description="One listener of it; every one when left out."
    )
    kind: Text = Field("Gateway", description="`Gateway`, or `Service` for a mesh.")


class GatewayCreation(Model):
    """What a new HTTPRoute or GRPCRoute says beside its one rule to stable."""

    parent_refs: list[Parent] = Field(min_length=1, description="Its `parentRefs`.")
    hostnames: list[Text] | None = Field(
        None, min_length=1, description="Its `hostnames`; every one when left out."
    )
    port: Port = Field(description="Port of the backends.")


def check_creatable(title: str, named: Mapping[str, object]) -> None:
    """Raise mistakes for keys in `named` that select routes by name in an object to be created.

    A created object has one route, without a name, so there is nothing to select.
    """
    message = "remove this key: a created route has one HTTP route, which has no name"
    keys = [key for key, value in named.items() if value is not None]
    if keys:
        raise_at(title, *[((key,), fault("P022", message)) for key in keys])
