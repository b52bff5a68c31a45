"""Find what a policy asks for that the plan's mesh cannot do.

Either the mesh has no such policy, or the plan does not name the object that would hold it.
"""

from __future__ import annotations

from collections.abc import Iterator

from rollout.plan.fields.codes import fault, raise_at
from rollout.plan.model.mesh.policy import Policy
from rollout.plan.model.mesh.route import EnvoyRoute, IstioRoute, Route
from rollout.plan.model.mesh.traffic import Traffic

Lack = tuple[tuple[str, ...], str]  # the key's path in the policy, and why the mesh lacks it

# Keys that Istio holds in a DestinationRule, for a whole version; retries and time-outs are in
# routes.
_PER_VERSION = ("outliers", "connections", "balance", "locality", "mtls", "fallback")


def check_policy_fits(policy: Policy, route: Route, traffic: Traffic | None) -> None:
    """Raise every mistake where the plan's mesh cannot carry out its policy."""
    lacks = _find_lacks(policy, route, traffic)
    if faults := [(path, fault("P021", message)) for path, message in lacks]:
        raise_at("policy", *faults)


def _find_lacks(policy: Policy, route: Route, traffic: Traffic | None) -> Iterator[Lack]:
    if route.envoy is not None:
        yield from _find_envoy_lacks(policy, route.envoy)
        yield from _find_second_hash(policy, traffic)
    elif route.istio is not None:
        yield from _find_istio_lacks(policy, route.istio)
    else:
        for key in type(policy).model_fields:
            if getattr(policy, key) is not None:
                yield (key,), "the Gateway API has no such policy: use a route of Istio"


def _find_envoy_lacks(policy: Policy, route: EnvoyRoute) -> Iterator[Lack]:
    for key, reason in _NOT_LOCAL.items():
        if getattr(policy, key) is not None:
            yield (key,), reason
    if route.cluster_file is None:
        for key in _select_given(policy, "outliers", "connections", "balance", "fallback"):
            yield (key,), "needs `envoy.clusterFile`, the watched file with the clusters"
        if policy.retries is not None and policy.retries.budget is not None:
            yield ("retries", "budget"), "needs `envoy.clusterFile`"


def _find_second_hash(policy: Policy, traffic: Traffic | None) -> Iterator[Lack]:
    """Yield the balance if it hashes another key than the affinity.

    An Envoy route has one list of keys to hash. Both the choice of the version and the choice of
    the endpoint use it.
    """
    affinity, balance = traffic.affinity if traffic else None, policy.balance
    if affinity is None or balance is None or balance.method != "hash":
        return
    if (affinity.header, affinity.cookie) != (balance.header, balance.cookie):
        yield (
            ("balance",),
            "`traffic.affinity` has another key, but a route of Envoy hashes only one",
        )


def _find_istio_lacks(policy: Policy, route: IstioRoute) -> Iterator[Lack]:
    if policy.fallback is not None:
        yield ("fallback",), "only a local Envoy supports it"
    if policy.retries is not None and policy.retries.budget is not None:
        yield ("retries", "budget"), "only a local Envoy supports it"
    if route.destination_rule is None:
        for key in _select_given(policy, *(key for key in _PER_VERSION if key != "fallback")):
            yield (key,), _TWO_RULES if route.hosts else _ONE_RULE
    if policy.locality is not None and policy.outliers is None:
        yield ("locality",), "needs `outliers`: without them Istio never notices a failed region"
    if (route.tls or route.tcp) and not route.http:
        for key in _select_given(policy, "retries", "timeout"):
            yield (key,), "TLS and TCP routes cannot tell requests apart: name HTTP routes"


def _select_given(policy: Policy, *keys: str) -> list[str]:
    return [key for key in keys if getattr(policy, key) is not None]


_NOT_LOCAL = {
    "locality": "a local Envoy reads localities and priorities from its list of endpoints",
    "mtls": "a local Envoy has certificates of its own: set its `transport_socket`",
}


_ONE_RULE = "needs `istio.destinationRule`, the object that holds it"
_TWO_RULES = "two hosts have two DestinationRules: only `retries` and `timeout` are possible"
