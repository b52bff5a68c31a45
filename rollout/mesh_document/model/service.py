"""A service of the mesh: how its requests are balanced, retried, ended and answered elsewhere."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from rollout.mesh_document.model.host import Host
from rollout.plan.fields.base import Model, Name, Span, written
from rollout.plan.fields.codes import fault, raise_at
from rollout.plan.model.mesh.policy import Attempts, Count, Regions, Some
from rollout.plan.model.mesh.traffic import Token

# Each has another meaning in each mesh, or one that would surprise whoever wrote it.
_REFUSED = {
    "random": (
        "`random` spreads requests worse than any other",
        "write `least_connections`, which asks the less busy of two",
    ),
    "ip_hash": (
        "`ip_hash` hashes the address of whatever proxy is in front",
        "write `consistent_hash` with the `header` that tells users apart",
    ),
}


def _refuse(value: Any) -> Any:
    if isinstance(value, str) and value in _REFUSED:
        message, hint = _REFUSED[value]
        raise fault("P006", message, hint=hint)
    return value


def _check_dots(value: str) -> str:
    if re.search(r"[-.]\.|\.-", value):
        message = "must have a letter or digit on each side of a dot, as names of objects do"
        raise fault("P006", message)
    return value


# What is named so becomes an object of a cluster.
ObjectName = Annotated[Name, AfterValidator(_check_dots)]
Algorithm = Annotated[
    Literal["round_robin", "least_connections", "weighted", "consistent_hash"],
    BeforeValidator(_refuse),
]


class HealthCheck(Model):
    """When an endpoint counts as failed."""

    interval: Span = written("10s", "Time between two probes.")
    threshold: Count = Field(3, description="Failures in a row after which it gets no traffic.")


class LoadBalancer(Model):
    """Which endpoint gets a request."""

    algorithm: Algorithm = Field(
        description="In turn, the less busy of two, in turn by the endpoints' weights, or by a "
        "hash of a header or cookie."
    )
    header: Token | None = Field(
        None, description="With `consistent_hash`: the header that is the key."
    )
    cookie: Token | None = Field(
        None, description="With `consistent_hash`: the cookie that is the key."
    )
    health_check: HealthCheck | None = Field(None, description="How a failed endpoint is noticed.")

    @model_validator(mode="after")
    def _check_one_key(self) -> Self:
        is_hash = self.algorithm == "consistent_hash"
        keys = [key for key in ("header", "cookie") if getattr(self, key) is not None]
        if is_hash and not keys:
            raise fault("P016", "`consistent_hash` needs either `header` or `cookie`")
        message = "a hash has one key" if is_hash else "only a `consistent_hash` has a key"
        if surplus := keys[is_hash:]:
            raise_at("loadBalancer", *[((key,), fault("P016", message)) for key in surplus])
        return self


class CircuitBreaker(Model):
    """When a service that fails is not asked for a while."""

    enabled: bool = Field(default=True, strict=True, description="Whether it may open.")
    error_threshold: Some | None = Field(
        None, description="Share of failed requests at which it opens."
    )

    @model_validator(mode="after")
    def _check_threshold(self) -> Self:
        if self.enabled and self.error_threshold is None:
            raise fault("P004", "missing key `errorThreshold`: the share at which it opens")
        return self


class Repeats(Model):
    """What is sent again where the service never saw the request."""

    attempts: Attempts = Field(description="Most further attempts; 0 forbids them.")
    backoff: Span | None = Field(None, description="Least pause before the second attempt.")


class Fallback(Model):
    """Who answers where the service cannot."""

    service: Host = Field(description="The other service, or a host outside of the mesh.")


class MeshService(Model):
    """One service of the mesh."""

    name: Host = Field(description="Its Service: `NAME`, `NAME.NAMESPACE.svc`; or a host outside.")
    load_balancer: LoadBalancer | None = Field(None, description="Which endpoint gets a request.")
    circuit_breaker: CircuitBreaker | None = Field(
        None, description="When it is not asked for a while."
    )
    retries: Repeats | None = Field(None, description="What is sent again.")
    timeout: Span | None = Field(None, description="Longest time of a request, retries included.")
    fallback: Fallback | None = Field(None, description="Who answers where it cannot.")
    failover: Regions | None = Field(None, description="Which region takes over for which.")

    @property
    def breaks_at(self) -> int | None:
        """The per cent of errors at which the service is not asked for a while; None: at none.

        They are whole, and one at least: nobody who has such a breaker knows others.
        """
        breaker = self.circuit_breaker
        if breaker is None or not breaker.enabled or breaker.error_threshold is None:
            return None
        return max(1, round(breaker.error_threshold * 100))
