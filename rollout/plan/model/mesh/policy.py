"""Traffic policy for both versions: ejection, limits, retries, time-outs, balance, mTLS."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from rollout.plan.fields.base import Model, ObjectName, Span, Text, is_recorded, spelled, written
from rollout.plan.fields.codes import fault, raise_at
from rollout.plan.fields.units import UP_TO_ALL, Percent
from rollout.plan.model.mesh.traffic import Token


def _check_share(value: float) -> float:
    if not 0 < value <= 1:
        raise fault("P006", "must be above 0 % and at most 100 %")
    return round(value, 4)


_KEY = r"([-a-z0-9.]{1,253}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_VALUE = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_PODS = spelled(
    rf"^{_KEY}={_VALUE}(,{_KEY}={_VALUE})*$", "labels of pods: `app=reviews` or `app=a,tier=b`"
)

Count = Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)]
Attempts = Annotated[int, Field(strict=True, ge=0, le=10)]
Some = Annotated[Percent, AfterValidator(_check_share), UP_TO_ALL]
Cause = Literal[
    "5xx",
    "gateway-error",
    "reset",
    "connect-failure",
    "refused-stream",
    "retriable-4xx",
    "cancelled",
    "deadline-exceeded",
    "internal",
    "resource-exhausted",
    "unavailable",
]


class Outliers(Model):
    """Outlier detection: an endpoint that keeps failing gets no traffic for a while."""

    consecutive_errors: Count = Field(5, description="5xx answers in a row that eject an endpoint.")
    interval: Span = written("10s", "Time between two sweeps, in which endpoints come back.")
    eject: Span = written("30s", "How long an ejection lasts at first; it grows with each one.")
    most: Some = written("50%", "Most endpoints of a version that may be ejected at a time.")


class Connections(Model):
    """Circuit breaking: what goes beyond these limits is refused at once."""

    max: Count | None = Field(None, description="Most connections to a version.")
    pending: Count | None = Field(None, description="Most requests that wait for a connection.")
    requests: Count | None = Field(None, description="Most requests under way to a version.")

    @model_validator(mode="after")
    def _check_one_at_least(self) -> Self:
        if self.max is self.pending is self.requests is None:
            raise fault("P004", "needs at least one limit: `max`, `pending` or `requests`")
        return self


class Retries(Model):
    """What is sent again, to the same version; every attempt counts as a request of it."""

    attempts: Attempts = Field(description="Most further attempts; 0 forbids them.")
    per_try: Span | None = Field(None, description="Longest time of one attempt.")
    backoff: Span | None = Field(
        None, description="Least pause before the second attempt; the mesh's own when left out."
    )
    when: list[Cause] | None = Field(
        None,
        min_length=1,
        description="What is tried again; `connect-failure` and `refused-stream` when left out, "
        "where the version never saw the request.",
    )
    budget: Some | None = Field(
        None,
        description="Most retries at a time, as a share of the requests under way; Envoy allows 3 "
        "in all when left out. Only a local Envoy has it.",
    )

    @property
    def causes(self) -> tuple[str, ...]:
        return tuple(self.when or ("connect-failure", "refused-stream"))


class Balance(Model):
    """Which endpoint of a version gets a request."""

    method: Literal["roundRobin", "leastRequest", "hash"] = Field(
        description="In turn, the less busy of two, or by a hash: the same key meets the same "
        "endpoint, so that its cache (of keys and values, say) serves again."
    )
    header: Token | None = Field(None, description="With `hash`: the header that is the key.")
    cookie: Token | None = Field(None, description="With `hash`: the cookie that is the key.")

    @model_validator(mode="after")
    def _check_one_key(self) -> Self:
        given = [key for key in ("header", "cookie") if getattr(self, key) is not None]
        if self.method == "hash" and not given:
            raise fault("P016", "a hash needs either `header` or `cookie`")
        surplus = given[1:] if self.method == "hash" else given
        if surplus:
            message = "a hash has one key" if self.method == "hash" else "only a `hash` has a key"
            raise_at("balance", *[((key,), fault("P016", message)) for key in surplus])
        return self


class Failover(Model):
    """Where the traffic of a place goes when its endpoints are ejected."""

    from_: Text = Field(alias="from", description="Region whose endpoints fail.")
    to: Text = Field(description="Region that takes over.")


def _check_regions(regions: list[Failover], info: ValidationInfo) -> list[Failover]:
    """Check that Istio takes every pair, and reads it: of two for one region it reads the first."""
    faults: list[tuple[tuple[str | int, ...], PydanticCustomError]] = []
    failing = set[str]()
    for index, pair in enumerate(regions):
        for key, region in (("from", pair.from_), ("to", pair.to)):
            if {"*", "/"} & {*region}:
                faults.append(((index, key), fault("P006", "must be a region, without `*` or `/`")))
        if pair.from_ == pair.to:
            faults.append(((index, "to"), fault("P012", "a region cannot take over for itself")))
        if pair.from_ in failing:
            faults.append(((index, "from"), fault("P010", "another takes over for it already")))
        failing.add(pair.from_)
    if faults and not is_recorded(info):
        raise_at("failover", *faults)
    return regions


Regions = Annotated[list[Failover], Field(min_length=1), AfterValidator(_check_regions)]


class Locality(Model):
    """Traffic stays in its region, and leaves it only where endpoints fail."""

    failover: Regions = Field(description="Which region takes over for which.")


class PeerCreation(Model):
    """What a new PeerAuthentication says beside its mode."""

    pods: Annotated[str, Field(pattern=_PODS)] = Field(
        description="The pods that it is for, of both versions, as `kubectl get pods -l` takes "
        "labels: `app=reviews`. Without any it would be the whole namespace's."
    )

    @property
    def labels(self) -> dict[str, str]:
        return dict(pair.split("=") for pair in self.pods.split(","))


class Mtls(Model):
    """How the service is spoken to."""

    mode: Literal["strict", "permissive", "disable"] = Field(
        description="Only mTLS, both, or only plain text."
    )
    peer_authentication: ObjectName | None = Field(
        None,
        description="The PeerAuthentication, in the plan's namespace, that says the same to the "
        "pods; without it only clients are told, by the DestinationRule.",
    )
    create: PeerCreation | None = Field(
        None, description="Create the PeerAuthentication where it is missing."
    )

    @model_validator(mode="after")
    def _check_creatable(self) -> Self:
        if self.create is not None and self.peer_authentication is None:
            message = "needs `peerAuthentication`, the name of the object"
            raise_at("mtls", (("create",), fault("P022", message)))
        return self


class Policy(Model):
    """How the mesh treats both versions, from before the canary's first request."""

    outliers: Outliers | None = Field(None, description="When an endpoint is ejected.")
    connections: Connections | None = Field(None, description="Limits that break the circuit.")
    retries: Retries | None = Field(None, description="What is sent again.")
    timeout: Span | None = Field(None, description="Longest time of a request, retries included.")
    balance: Balance | None = Field(None, description="Which endpoint gets a request.")
    locality: Locality | None = Field(None, description="Which region takes over for which.")
    mtls: Mtls | None = Field(None, description="Whether traffic is encrypted by the mesh.")
    fallback: bool | None = Field(
        None,
        strict=True,
        description="Envoy itself sends the canary's traffic to stable while every endpoint of the "
        "canary is ejected, without any controller. Only a local Envoy has it.",
    )
