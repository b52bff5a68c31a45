"""Copies of requests for Envoy's shadow cluster: the canary under a name of its own."""

from __future__ import annotations

from fractions import Fraction

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.route.envoy.segment import leads
from rollout.route.envoy.walk import tables
from rollout.route.envoy.weights import Arms
from rollout.route.manifest import Json, dicts, key
from rollout.route.weighted_route import nearest

_POLICIES = "request_mirror_policies"
_PARTS = {"HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": 1_000_000}


def send(manifest: Json, arms: Arms, split: Split) -> None:
    """Copy this share of every route's requests. Raises RouteError."""
    names = {parts: name for name, parts in _PARTS.items()}
    if split.total not in names:
        raise RouteError(f"Envoy copies no parts of {split.total}")
    share = {"numerator": split.canary, "denominator": names[split.total]}
    policy = {"cluster": arms.shadow, "runtime_fraction": {"default_value": share}}
    for action in _actions(manifest, arms):
        field = key(action, _POLICIES)
        action[field] = [*dicts(action.get(field)), policy]


def stop(manifest: Json, arms: Arms) -> None:
    """Take our copies away; others' stay."""
    for action in _actions(manifest, arms):
        field = key(action, _POLICIES)
        there = dicts(action.get(field))
        kept = [policy for policy in there if policy.get("cluster") != arms.shadow]
        if kept != there:
            action[field] = kept
            if not kept:
                del action[field]


def seen(manifest: Json, arms: Arms, total: int) -> Split:
    """The share that is copied, as a split of that way. Raises RouteError where routes differ."""
    shares = {_share(action, arms) for action in _actions(manifest, arms)}
    if len(shares) > 1:
        said = ", ".join(f"{float(share):.4%}" for share in sorted(shares))
        raise RouteError(f"routes disagree on the share that {arms.shadow} gets a copy of: {said}")
    split = nearest(next(iter(shares), Fraction(0)), total)
    return Split(split.canary, total, "mirror") if split.canary else split


def _share(action: Json, arms: Arms) -> Fraction:
    ours = [
        policy
        for policy in dicts(action.get(key(action, _POLICIES)))
        if policy.get("cluster") == arms.shadow
    ]
    return sum((_fraction(policy) for policy in ours), Fraction(0))


def _fraction(policy: Json) -> Fraction:
    """A policy without a share copies everything."""
    runtime = policy.get(key(policy, "runtime_fraction"))
    if not isinstance(runtime, dict):
        return Fraction(1)
    share = runtime.get(key(runtime, "default_value")) or {}
    parts = _PARTS.get(str(share.get("denominator", "HUNDRED")), 100)
    return Fraction(int(share.get("numerator") or 0), parts)


def _actions(manifest: Json, arms: Arms) -> list[Json]:
    return [
        route["route"]
        for _, _, routes in tables(manifest)
        for route in routes
        if leads(route, arms)
    ]
