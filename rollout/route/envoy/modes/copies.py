"""Mirror requests to the canary on an Envoy.

The mirror goes to a shadow cluster: the canary's endpoints under another name, so that Envoy
counts mirrored requests apart from the canary's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.plan.fields.units import percent
from rollout.route.before import Before
from rollout.route.content import Noted, note_routes
from rollout.route.envoy.arms import Arms
from rollout.route.envoy.modes.segment import is_planned
from rollout.route.envoy.names import RecordedNames, find_names
from rollout.route.envoy.walk import forget, note, noted
from rollout.route.manifest import Json, dicts, key
from rollout.route.nearest import nearest
from rollout.route.shape import read_fraction
from rollout.route.weighted_route import WeightedRoute

_POLICIES = "request_mirror_policies"
_INHERITED = "inherited"  # key of our note in a route: its policies were those of its host
_PARTS = {"HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": 1_000_000}


@dataclass(frozen=True)
class Holder:
    """What may mirror requests: a route, a virtual host or a configuration.

    `message` is of the manifest, not a copy. As in Envoy, only the innermost policies count. `host`
    is the name of its virtual host.
    """

    location: str
    config: str
    host: str | None
    message: Json
    outer: Holder | None = None
    route: Json | None = None
    is_planned: bool = False

    @property
    def in_force(self) -> Holder:
        """The holder whose policies count here."""
        is_own = self.outer is None or bool(self.policies)
        return self if is_own or self.outer is None else self.outer.in_force

    @property
    def policies(self) -> list[Json]:
        return dicts(self.message.get(key(self.message, _POLICIES)))

    def set_policies(self, policies: list[Json]) -> None:
        """Set the policies; without any the field goes."""
        self.message[field := key(self.message, _POLICIES)] = policies
        if not policies:
            del self.message[field]


IsStray = Callable[[Holder, Json], bool]


def send(manifest: Json, arms: Arms, split: Split) -> None:
    """Mirror this share of every route's requests, beside the mirrors of others.

    Raises RouteError.
    """
    names = {denominator: name for name, denominator in _PARTS.items()}
    if split.total not in names:
        raise RouteError(f"Envoy copies no parts of {split.total}")
    share = {"numerator": split.canary, "denominator": names[split.total]}
    policy = {"cluster": arms.shadow, "runtime_fraction": {"default_value": share}}
    for holder in [*_list_holders(manifest, arms)]:
        if holder.is_planned:
            others = holder.in_force.policies
            if others and not holder.policies and holder.route is not None:
                note(holder.route, _INHERITED, value=True)
            if any(_is_to(other, arms.canary) for other in others):
                raise RouteError(f"{holder.location} copies requests to the canary already")
            holder.set_policies([*others, policy])


def stop(
    manifest: Json, arms: Arms, before: tuple[str, ...] | None = None, *, back: bool = False
) -> None:
    """Remove our mirrors, wherever their routes lead by now; those of others stay.

    On the way `back` those straight to the canary go too, but for what was there before our first
    write.
    """
    is_stray = _find_strays(manifest, arms, before if back else None)
    for holder in [*_list_holders(manifest, arms)]:
        others = [policy for policy in holder.policies if not is_stray(holder, policy)]
        if others != holder.policies:
            is_inherited = holder.route is not None and noted(holder.route).get(_INHERITED)
            holder.set_policies([] if is_inherited else others)
            if is_inherited and holder.route is not None:
                forget(holder.route, _INHERITED)


def has_strays(manifest: Json, arms: Arms, before: tuple[str, ...] | None) -> bool:
    """Return whether a mirror of ours, or one since our first write, leads to the canary."""
    is_stray = _find_strays(manifest, arms, before)
    return any(_sum_shares(holder, is_stray) for holder in _list_holders(manifest, arms))


def find_copying(manifests: Sequence[Json], arms: Arms) -> Noted:
    """Return the notes of what mirrors requests straight to the canary."""
    holders = [holder for item in manifests for holder in _list_holders(item, arms)]
    return note_routes(
        _as_route(holder, arms, holder.config)
        for holder in holders
        if any(_is_to(policy, arms.canary) for policy in holder.policies)
    )


def seen(manifest: Json, arms: Arms, total: int, before: tuple[str, ...] | None = None) -> Split:
    """Return the mirrored share as a split of mode `mirror`.

    Raises RouteError where routes differ. A route that is not the plan's by now may have one too.
    """
    is_stray = _find_strays(manifest, arms, before)
    shares = {
        (holder.is_planned, _sum_shares(holder.in_force, is_stray))
        for holder in _list_holders(manifest, arms)
        if holder.route is not None
    }
    differing = {share for is_planned, share in shares if is_planned or share}
    if len(differing) > 1:
        shares_text = ", ".join(percent(float(share)) for share in sorted(differing))
        raise RouteError(
            f"routes disagree on the share that {arms.shadow} gets a copy of: {shares_text}"
        )
    split = nearest([*differing], total)
    return Split(split.canary, total, "mirror") if split.canary else split


def _read_fraction(policy: Json) -> Fraction:
    """Return the share of one mirror policy; without a fraction it mirrors every request."""
    runtime = policy.get(key(policy, "runtime_fraction"))
    if not isinstance(runtime, dict):
        return Fraction(1)
    share = runtime.get(key(runtime, "default_value")) or {}
    return read_fraction(share.get("numerator") or 0, _read_denominator(share))


def _read_denominator(share: Json) -> int:
    """Return a fraction's denominator, which protobuf's JSON writes as a name or as its number.

    Raises RouteError for any other value: a guess would be a share that nobody set.
    """
    value = share.get("denominator", "HUNDRED")
    name = [*_PARTS][value] if value in range(len(_PARTS)) else value
    if name not in _PARTS:
        raise RouteError(f"Envoy has no denominator {value!r} of a mirrored share")
    return _PARTS[name]


def _sum_shares(holder: Holder, is_stray: IsStray) -> Fraction:
    """Return the share of requests that our mirrors and strays get."""
    return sum(
        (_read_fraction(policy) for policy in holder.policies if is_stray(holder, policy)),
        Fraction(0),
    )


def _find_strays(manifest: Json, arms: Arms, before: tuple[str, ...] | None) -> IsStray:
    """Return what tells ours and, after our first write, what else mirrors to the canary since."""
    noted, names = Before.parse("\n".join(before or ())).copying, find_names(manifest, before)

    def is_stray(holder: Holder, policy: Json) -> bool:
        recorded = names.name_config(holder.config)
        known_as = {recorded, holder.config} if recorded else {""}
        routes = [_as_route(holder, arms, name, names) for name in known_as]
        is_new = before is not None and not any(noted.same(route) for route in routes)
        return _is_to(policy, arms.shadow) or (_is_to(policy, arms.canary) and is_new)

    return is_stray


def _is_to(policy: Json, cluster: str) -> bool:
    return bool(policy.get("cluster") == cluster)


def _as_route(
    holder: Holder, arms: Arms, config: str, names: RecordedNames | None = None
) -> WeightedRoute:
    """Return what a holder is known by, wherever its requests lead.

    Records of an older version do not name the configuration of a route. With `names` a virtual
    host has its recorded one.
    """
    is_named = bool(config) or holder.route is None
    known_by = [config or holder.config] if is_named else []
    if holder.host is not None:
        host = names.name_host(holder.config, holder.host) if names else holder.host
        known_by.append(f"virtual host {host}")
    match = [holder.route.get("match") or {}] if holder.route is not None else []
    return WeightedRoute(holder.location, [], arms, {"match": [*known_by, *match]})


def _list_holders(manifest: Json, arms: Arms) -> Iterator[Holder]:
    """Yield every configuration, virtual host and route with an action."""
    for config in dicts(manifest.get("resources")):
        name = str(config.get("name", ""))
        whole = Holder(f"configuration {name}", name, None, config)
        yield whole
        for host in dicts(config.get(key(config, "virtual_hosts"))):
            location = f"virtual host {host.get('name')}"
            host_name = str(host.get("name") or "")
            virtual_host = Holder(location, name, host_name, host, whole)
            yield virtual_host
            for number, route in enumerate(dicts(host.get("routes")), 1):
                if isinstance(route.get("route"), dict):
                    planned = is_planned(route, arms)
                    where = f"route {number} of {location}"
                    action = route["route"]
                    yield Holder(where, name, host_name, action, virtual_host, route, planned)
