"""Which requests the canary gets: a segment, mirrored copies first, the same users again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from rollout.plan.fields.base import MOST, TOO_MUCH, Model, Span, spelled
from rollout.plan.fields.codes import fault, raise_at
from rollout.plan.fields.regex import Line, Regex
from rollout.plan.fields.units import SHARE, Percent
from rollout.plan.model.mesh.route import Route, one_of, only
from rollout.plan.model.ramp import Ramp, Steps, Switch

_TOKEN = spelled(
    r"^[A-Za-z0-9!#$%&'*+.^_|~-]{1,256}$",
    "a name as HTTP spells them: letters, digits and `-`, at most 256",
)


def _check_share(value: float) -> float:
    steps = value * 10_000
    if steps < 1 - 1e-9 or abs(steps - round(steps)) > 1e-6:
        raise fault("P009", "a share is a multiple of 0.01 %, the smallest that a split can hold")
    if value > 1:
        raise fault("P006", "a share is at most 100 %")
    return round(value, 4)


Token = Annotated[str, Field(pattern=_TOKEN)]
Share = Annotated[Percent, AfterValidator(_check_share), SHARE]


class Mirror(Model):
    """Copies of requests for the canary before it answers any; nobody sees its answers."""

    share: Share = Field(description="Share of the requests that are copied, at most 100%.")
    lasts: Span = Field(description="How long copies are sent before the first step.")


class Affinity(Model):
    """What a user is known by, so that the same user meets the same version again."""

    model_config = one_of("header", "cookie")

    header: Token | None = Field(None, description="Header that tells users apart.")
    cookie: Token | None = Field(
        None, description="Cookie that tells users apart; the client or the service sets it."
    )

    @model_validator(mode="after")
    def _check_one_key(self) -> Self:
        only(self, "`affinity`", "header", "cookie")
        return self


class Match(Model):
    """One header, cookie or query parameter, and what its value must be."""

    model_config = one_of("exact", "prefix", "regex")

    name: Token = Field(description="Name of the header, cookie or query parameter.")
    exact: Line | None = Field(None, description="The value is this.")
    prefix: Line | None = Field(None, description="The value begins with this.")
    regex: Regex | None = Field(
        None, description="The whole value matches this regular expression (RE2)."
    )

    @model_validator(mode="after")
    def _check_one_test(self) -> Self:
        only(self, "a match", "exact", "prefix", "regex")
        return self


class Segment(Model):
    """The requests that take part; all others go to stable."""

    model_config = one_of("header", "cookie", "query")

    header: Match | None = Field(None, description="Requests with such a header.")
    cookie: Match | None = Field(None, description="Requests with such a cookie.")
    query: Match | None = Field(None, description="Requests with such a query parameter.")
    assignment: Literal["chosen", "randomised"] = Field(
        "chosen",
        description="How requests come into the segment: chosen by their kind (a verdict is then "
        "observational where stable's share lies outside), or at random.",
    )
    share: Share | None = Field(
        None, description="Share of all requests that the segment has, if it is known."
    )

    @model_validator(mode="after")
    def _check_one_key(self) -> Self:
        only(self, "`segment`", "header", "cookie", "query")
        return self

    @property
    def key(self) -> tuple[str, Match]:
        """What is matched (`header`, `cookie` or `query`), and how."""
        given = {"header": self.header, "cookie": self.cookie, "query": self.query}
        return next((kind, match) for kind, match in given.items() if match)


class Traffic(Model):
    """Which requests the canary gets, beyond a share of all."""

    mirror: Mirror | None = Field(None, description="Copies first, before the first step.")
    segment: Segment | None = Field(
        None, description="Only these requests are split; all others go to stable."
    )
    affinity: Affinity | None = Field(
        None, description="The same user always gets the same version."
    )


def check_traffic_fits(traffic: Traffic, route: Route) -> None:
    """Raise every mistake where a mesh cannot carry out what the plan asks of its traffic."""
    lacks = _find_lacks(traffic, route)
    if faults := [(path, fault("P017", message)) for path, message in lacks]:
        raise_at("traffic", *faults)


def check_ramp_fits(ramp: Ramp, traffic: Traffic | None) -> None:
    """Raise every mistake where a ramp does not fit its traffic.

    With a segment, all other requests stay on stable. So a step may be the whole segment, and a
    switch is compared with those requests. Without one, steps stop at 99 %, because only the
    promotion goes to 100 %.
    """
    segment = traffic.segment if traffic else None
    if segment is not None and isinstance(ramp, Switch) and ramp.blue_green.before is not None:
        message = "requests outside the segment stay on stable at the same time: compare with those"
        raise_at("ramp", (("blueGreen", "before"), fault("P019", message)))
    if segment is None and isinstance(ramp, Steps):
        too_high = [i for i, step in enumerate(ramp.steps) if step > MOST]
        if too_high:
            raise_at("ramp", *[(("steps", i), fault("P006", TOO_MUCH)) for i in too_high])


def _find_lacks(traffic: Traffic, route: Route) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield each key that the mesh cannot carry out, and why."""
    segment, istio, gateway = traffic.segment, route.istio, route.gateway
    if traffic.affinity is not None and route.envoy is None:
        yield ("affinity",), _NO_AFFINITY.format("Istio" if istio else "the Gateway API")
    if segment is not None and segment.query is not None and gateway and gateway.grpc_route:
        yield ("segment", "query"), "a GRPCRoute matches no query parameters: use a header"
    if istio is not None and (istio.tls or istio.tcp):
        reason = "TLS and TCP routes cannot tell requests apart: name HTTP routes only"
        yield from (((key,), reason) for key in ("segment", "mirror") if getattr(traffic, key))


_NO_AFFINITY = (
    "{} has no affinity between versions: its consistent hash picks a pod once the version is "
    "chosen; use a `segment` of users, or a local Envoy"
)
