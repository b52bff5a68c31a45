"""How a plan names Istio's routes and their destinations."""

from __future__ import annotations

from pydantic import Field, field_validator

from rollout.plan.fields.base import DnsLabel, Model, ObjectName, Port, Text, check_apart


class Subsets(Model):
    """The subsets of one host that serve the two versions."""

    stable: DnsLabel = Field(description="Subset that serves the stable version.")
    canary: DnsLabel = Field(description="Subset that serves the canary version.")

    _check_apart = field_validator("canary")(check_apart)


class Hosts(Model):
    """The two hosts that serve the versions, where each has a Service of its own."""

    stable: ObjectName = Field(description="Host that serves the stable version.")
    canary: ObjectName = Field(description="Host that serves the canary version.")

    _check_apart = field_validator("canary")(check_apart)


class TlsMatch(Model):
    """A TLS route, which has no name: one of its matches says exactly this."""

    sni_hosts: list[Text] = Field(min_length=1, description="The SNI hosts that it matches.")
    port: Port | None = Field(None, description="The port that it matches, if it says one.")


class TcpMatch(Model):
    """A TCP route, which has no name: one of its matches says exactly this."""

    port: Port = Field(description="The port that it matches.")
