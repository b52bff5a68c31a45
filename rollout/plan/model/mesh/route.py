"""Where the weights are: in a local Envoy's file, in Istio's objects, or in the Gateway API's."""

from __future__ import annotations

from typing import Any, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from rollout.plan.fields.base import DnsLabel, Model, ObjectName, Port, Text, Url, check_apart
from rollout.plan.fields.codes import fault, raise_at
from rollout.plan.model.mesh.creation import GatewayCreation, IstioCreation, check_creatable
from rollout.plan.model.mesh.istio import Hosts, Subsets, TcpMatch, TlsMatch


def one_of(*keys: str) -> ConfigDict:
    """Configure a model of which exactly one of these keys has a value."""
    return ConfigDict(json_schema_extra={"allOf": [exactly_one(*keys)]})


def exactly_one(*keys: str) -> dict[str, Any]:
    """JSON Schema: exactly one of these keys has a value."""
    return {
        "oneOf": [
            {"required": [key], "properties": {key: {"not": {"type": "null"}}}} for key in keys
        ]
    }


def only(model: Model, noun: str, *keys: str) -> None:
    """Raise a mistake unless exactly one of these keys has a value."""
    fields = type(model).model_fields
    given = [
        key
        for name, field in fields.items()
        if (key := str(field.alias)) in keys and getattr(model, name) is not None
    ]
    choices = " or ".join(f"`{key}`" for key in keys)
    if not given:
        raise fault("P016", f"{noun} needs exactly one of {choices}")
    if len(given) > 1:
        message = f"{noun} has `{given[0]}` already: it needs exactly one of {choices}"
        raise_at(type(model).__name__, *[((key,), fault("P016", message)) for key in given[1:]])


class Clusters(Model):
    """The Envoy clusters that serve the two versions."""

    stable: Text = Field(description="Envoy cluster that serves the stable version.")
    canary: Text = Field(description="Envoy cluster that serves the canary version.")
    shadow: Text | None = Field(
        None,
        description="Envoy cluster of the canary under another name, which gets the copies, so "
        "that they do not count as the canary's traffic; `<canary>-shadow` when left out.",
    )

    _check_apart = field_validator("canary")(check_apart)


class EnvoyRoute(Model):
    """An Envoy that watches its route configuration in a file."""

    file: Text = Field(description="Path of the route configuration file that Envoy watches.")
    admin: Url = Field(
        description="Address of Envoy's admin interface, where each change is read back.",
        examples=["http://127.0.0.1:9901"],
    )
    clusters: Clusters | None = Field(
        None, description="Cluster names; `<service>-<version>` when left out."
    )
    cluster_file: Text | None = Field(
        None,
        description="Path of the cluster file that Envoy watches (CDS), where `policy` is written.",
    )


class IstioRoute(Model):
    """Destinations in an Istio VirtualService of the plan's namespace."""

    virtual_service: ObjectName = Field(description="The VirtualService that holds the weights.")
    destination_rule: ObjectName | None = Field(
        None,
        description="The DestinationRule that must define both subsets before the canary gets "
        "traffic; only read.",
    )
    host: ObjectName | None = Field(
        None, description="Host whose subsets share the traffic; the service when left out."
    )
    subsets: Subsets | None = Field(
        None, description="Names of the subsets; the two versions when left out."
    )
    hosts: Hosts | None = Field(None, description="Two hosts instead of two subsets of one.")
    http: list[Text] | None = Field(
        None,
        min_length=1,
        description="Names of the HTTP routes to move. Without `http`, `matches`, `tls` and `tcp`: "
        "every route that leads to stable; one that leads to the canary alone is never moved.",
    )
    matches: list[dict[str, Any]] | None = Field(
        None,
        min_length=1,
        description="HTTP routes to move, each by one of its matches, exactly as the object says "
        "it; `{}` is a route without a match.",
    )
    tls: list[TlsMatch] | None = Field(None, min_length=1, description="TLS routes to move.")
    tcp: list[TcpMatch] | None = Field(None, min_length=1, description="TCP routes to move.")
    create: IstioCreation | None = Field(
        None,
        description="Create the VirtualService, and the DestinationRule, where they are missing.",
    )

    @model_validator(mode="after")
    def _check_subsets_or_hosts(self) -> Self:
        if self.hosts is None:
            return self
        message = "`hosts` names two hosts, which replace two subsets of one: remove this key"
        others = {
            "destinationRule": self.destination_rule,
            "host": self.host,
            "subsets": self.subsets,
        }
        if given := [key for key, value in others.items() if value is not None]:
            raise_at("istio", *[((key,), fault("P016", message)) for key in given])
        return self

    @model_validator(mode="after")
    def _check_creatable(self) -> Self:
        if self.create is not None:
            named = {
                "http": self.http,
                "matches": self.matches,
                "tls": self.tls,
                "tcp": self.tcp,
            }
            check_creatable("istio", named)
            if self.hosts is None and self.destination_rule is None:
                message = (
                    "needs `destinationRule`: Istio answers 503 for subsets that are not defined"
                )
                raise_at("istio", (("create",), fault("P022", message)))
        return self


class Backends(Model):
    """The two backends, as the route's `backendRefs` name them."""

    stable: DnsLabel = Field(description="Backend that serves the stable version.")
    canary: DnsLabel = Field(description="Backend that serves the canary version.")
    group: str = Field("", description="API group of the backends; empty for Services.")
    kind: Text = Field("Service", description="Kind of the backends.")
    port: Port | None = Field(
        None, description="Only references with this port; every port when left out."
    )

    _check_apart = field_validator("canary")(check_apart)


class GatewayRoute(Model):
    """Backends in a Gateway API route of the plan's namespace."""

    model_config = one_of("httpRoute", "grpcRoute")

    http_route: ObjectName | None = Field(None, description="HTTPRoute that holds the weights.")
    grpc_route: ObjectName | None = Field(None, description="GRPCRoute that holds the weights.")
    rules: list[Text] | None = Field(
        None,
        min_length=1,
        description="Names of the rules to move. Without `rules` and `matches`: every rule that "
        "leads to stable; one that leads to the canary alone is never moved.",
    )
    matches: list[dict[str, Any]] | None = Field(
        None,
        min_length=1,
        description="Rules to move, each by one of its matches, as the object says it; `{}` is a "
        "rule that matches everything. Servers before Gateway API 1.4 drop the names of rules.",
    )
    backends: Backends | None = Field(
        None, description="The backends; Services `<service>-<version>` when left out."
    )
    create: GatewayCreation | None = Field(
        None, description="Create the HTTPRoute or GRPCRoute where it is missing."
    )

    @model_validator(mode="after")
    def _check_one_object(self) -> Self:
        only(self, "`gateway`", "httpRoute", "grpcRoute")
        return self

    @model_validator(mode="after")
    def _check_creatable(self) -> Self:
        if self.create is not None:
            check_creatable("gateway", {"rules": self.rules, "matches": self.matches})
            port = self.backends.port if self.backends else None
            if port not in (None, self.create.port):
                message = (
                    f"`backends.port` is {port}, but a created route has one port: use the same"
                )
                raise_at("gateway", (("create", "port"), fault("P022", message)))
        return self


class Route(Model):
    """Where the weights live: exactly one mesh."""

    model_config = one_of("envoy", "istio", "gateway")

    envoy: EnvoyRoute | None = Field(
        None, description="Weights in a local Envoy's route configuration."
    )
    istio: IstioRoute | None = Field(None, description="Weights in an Istio VirtualService.")
    gateway: GatewayRoute | None = Field(
        None, description="Weights in a Gateway API HTTPRoute or GRPCRoute."
    )

    @model_validator(mode="after")
    def _check_one_mesh(self) -> Self:
        only(self, "`route`", "envoy", "istio", "gateway")
        return self

    @property
    def names_by_version(self) -> str:
        """What names its destinations where they have the versions' names; empty otherwise."""
        envoy, istio, gateway = self.envoy, self.istio, self.gateway
        if envoy is not None and envoy.clusters is None:
            return "envoy.clusters"
        if istio is not None and istio.hosts is None and istio.subsets is None:
            return "istio.subsets"
        return "gateway.backends" if gateway is not None and gateway.backends is None else ""

    @property
    def mesh(self) -> str:
        """The mesh that holds the weights: `envoy`, `istio` or `gateway`."""
        given: dict[str, Any] = {
            "envoy": self.envoy,
            "istio": self.istio,
            "gateway": self.gateway,
        }
        return next(key for key, value in given.items() if value is not None)

    @property
    def holder(self) -> dict[str, str]:
        """What holds the weights: a file, or an object's name, by its field here."""
        fields = {"file", "virtual_service", "http_route", "grpc_route"}
        return getattr(self, self.mesh).model_dump(include=fields, exclude_none=True)  # type: ignore[no-any-return]

    @property
    def creates(self) -> bool:
        """Whether the controller creates a route that is missing."""
        given = (self.istio, self.gateway)
        return any(route is not None and route.create is not None for route in given)
