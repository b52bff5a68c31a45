"""Mirror requests to the canary on an Envoy.

The mirror goes to a shadow cluster: the canary's endpoints under another name, so that Envoy
counts mirrored requests apart from the canary's own.
"""

from __future__ import annotations

from fractions import Fraction

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.route.envoy.segment import leads
from rollout.route.envoy.walk import tables
from rollout.route.envoy.weights import Arms
from rollout.route.manifest import Json, dicts, key
from rollout.route.nearest import nearest

_POLICIES = "request_mirror_policies"
_PARTS = {"HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": 1_000_000}


def send(manifest: Json, arms: Arms, split: Split) -> None:
    """Mirror this share of every route's requests. Raises RouteError."""
    names = {denominator: name for name, denominator in _PARTS.items()}
    if split.total not in names:
        raise RouteError(f"Envoy copies no parts of {split.total}")
    share = {"numerator": split.canary, "denominator": names[split.total]}
    policy = {"cluster": arms.shadow, "runtime_fraction": {"default_value": share}}
    for action in _find_actions(manifest, arms):
        field = key(action, _POLICIES)
        action[field] = [*dicts(action.get(field)), policy]


def stop(manifest: Json, arms: Arms) -> None:
    """Remove our mirrors; those of others stay."""
    for action in _find_actions(manifest, arms):
        field = key(action, _POLICIES)
        policies = dicts(action.get(field))
        others = [policy for policy in policies if policy.get("cluster") != arms.shadow]
        if others != policies:
            action[field] = others
            if not others:
                del action[field]


def seen(manifest: Json, arms: Arms, total: int) -> Split:
    """Return the mirrored share as a split of mode `mirror`.

    Raises RouteError where routes differ.
    """
    shares = {_sum_shares(action, arms) for action in _find_actions(manifest, arms)}
    if len(shares) > 1:
        shares_text = ", ".join(f"{float(share):.4%}" for share in sorted(shares))
        raise RouteError(
            f"routes disagree on the share that {arms.shadow} gets a copy of: {shares_text}"
        )
    split = nearest([*shares], total)
    return Split(split.canary, total, "mirror") if split.canary else split


def _sum_shares(action: Json, arms: Arms) -> Fraction:
    """Return the share of a route's requests that is mirrored to the shadow cluster."""
    ours = [
        policy
        for policy in dicts(action.get(key(action, _POLICIES)))
        if policy.get("cluster") == arms.shadow
    ]
    return sum((_read_fraction(policy) for policy in ours), Fraction(0))


def _read_fraction(policy: Json) -> Fraction:
    """Return the share of one mirror policy; without a fraction it mirrors every request."""
    runtime = policy.get(key(policy, "runtime_fraction"))
    if not isinstance(runtime, dict):
        return Fraction(1)
    share = runtime.get(key(runtime, "default_value")) or {}
    return Fraction(int(share.get("numerator") or 0), _read_denominator(share))


def _read_denominator(share: Json) -> int:
    """Return a fraction's denominator, which protobuf's JSON writes as a name or as its number.

    Raises RouteError for any other value: a guess would be a share that nobody set.
    """
    value = share.get("denominator", "HUNDRED")
    name = [*_PARTS][value] if value in range(len(_PARTS)) else value
    if name not in _PARTS:
        raise RouteError(f"Envoy has no denominator {value!r} of a mirrored share")
    return _PARTS[name]


def _find_actions(manifest: Json, arms: Arms) -> list[Json]:
    """Return the actions of the routes that have weights for one of our clusters."""
    return [
        route["route"]
        for _, _, routes in tables(manifest)
        for route in routes
        if leads(route, arms)
    ]
