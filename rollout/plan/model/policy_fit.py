"""What a policy asks of a mesh that does not have it, or of an object that no key names."""

from __future__ import annotations

from collections.abc import Iterator

from rollout.plan.fields.codes import fault, raise_at
from rollout.plan.model.policy import Policy
from rollout.plan.model.route import EnvoyRoute, IstioRoute, Route
from rollout.plan.model.traffic import Traffic

Lack = tuple[tuple[str, ...], str]

# What an object for a whole version holds; retries and time-outs stand at the routes.
_WHOLE = ("outliers", "connections", "balance", "locality", "mtls", "fallback")


def fitting(policy: Policy, route: Route, traffic: Traffic | None) -> None:
    """Raise every mistake where the plan's mesh cannot carry out its policy."""
    if found := [(place, fault("P021", said)) for place, said in _lacking(policy, route, traffic)]:
        raise_at("policy", *found)


def _lacking(policy: Policy, route: Route, traffic: Traffic | None) -> Iterator[Lack]:
    if route.envoy is not None:
        yield from _envoy(policy, route.envoy)
        yield from _hashed(policy, traffic)
    elif route.istio is not None:
        yield from _istio(policy, route.istio)
    else:
        for key in type(policy).model_fields:
            if getattr(policy, key) is not None:
                yield (key,), "the Gateway API's routes have no such policy: use Istio's objects"


def _envoy(policy: Policy, route: EnvoyRoute) -> Iterator[Lack]:
    for key, said in _NOT_LOCAL.items():
        if getattr(policy, key) is not None:
            yield (key,), said
    if route.cluster_file is None:
        for key in _given(policy, "outliers", "connections", "balance", "fallback"):
            yield (key,), "needs the clusters in a watched file: name it in `envoy.clusterFile`"
        if policy.retries is not None and policy.retries.budget is not None:
            yield ("retries", "budget"), "needs `envoy.clusterFile`"


def _hashed(policy: Policy, traffic: Traffic | None) -> Iterator[Lack]:
    """One list of hashed keys serves both the version and the endpoint."""
    affinity, balance = traffic.affinity if traffic else None, policy.balance
    if affinity is None or balance is None or balance.method != "hash":
        return
    if (affinity.header, affinity.cookie) != (balance.header, balance.cookie):
        yield ("balance",), "`traffic.affinity` has another key: a route of Envoy hashes one"


def _istio(policy: Policy, route: IstioRoute) -> Iterator[Lack]:
    if policy.fallback is not None:
        yield ("fallback",), "only a local Envoy has it"
    if policy.retries is not None and policy.retries.budget is not None:
        yield ("retries", "budget"), "only a local Envoy has it"
    if route.destination_rule is None:
        for key in _given(policy, *(key for key in _WHOLE if key != "fallback")):
            yield (key,), _TWO_RULES if route.hosts else _ONE_RULE
    if policy.locality is not None and policy.outliers is None:
        yield ("locality",), "needs `outliers`: without them Istio never notices a failed region"
    if (route.tls or route.tcp) and not route.http:
        for key in _given(policy, "retries", "timeout"):
            yield (key,), "TLS and TCP routes see no requests: name HTTP routes"


def _given(policy: Policy, *keys: str) -> list[str]:
    return [key for key in keys if getattr(policy, key) is not None]


_NOT_LOCAL = {
    "locality": "a local Envoy takes localities and priorities from its endpoints' own list",
    "mtls": "a local Envoy's certificates are files of its own: set `transport_socket` there",
}


_ONE_RULE = "needs `istio.destinationRule`, where Istio keeps it"
_TWO_RULES = "two hosts have a DestinationRule each: only `retries` and `timeout` can be had"
