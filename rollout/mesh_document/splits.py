"""A policy of traffic as a plan: which version is stable, and what Surefoot adds of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from rollout.mesh_document.model.document import ServiceMesh
from rollout.mesh_document.model.names import Path, find_owner
from rollout.mesh_document.model.traffic import Destination, TrafficPolicy
from rollout.mesh_document.notes import Remark, changed
from rollout.plan.fields.base import MOST, Model
from rollout.plan.fields.units import percent
from rollout.plan.model.mesh.policy import Policy
from rollout.plan.model.plan import Plan
from rollout.route.manifest import Json

_LADDER, _WHOLE_SEGMENT, _BAKE = (0.01, 0.05, 0.25, 0.5), 1.0, "2m"
# At most a quarter more errors than stable, plus 5 in 1,000 requests.
ERRORS = {"name": "errors", "margin": {"ratio": 1.25, "absolute": "0.5%"}}


@dataclass(frozen=True)
class Shift:
    """One policy of traffic: its service's requests move from stable to the canary."""

    policy: TrafficPolicy
    path: Path
    service: str
    stable: str
    canary: str

    @property
    def asked(self) -> float:
        """The canary's share in the document."""
        (canary,) = (r for r in self.policy.routes if r.destination == self.canary)
        return canary.weight / 100

    @property
    def steps(self) -> list[float]:
        """The ramp: the document's weight, then the rungs of our own ladder above it."""
        is_segment = self.policy.match is not None
        rungs = (*_LADDER, _WHOLE_SEGMENT) if is_segment else _LADDER
        first = self.asked if is_segment else min(self.asked, MOST)
        return [*filter(None, [first]), *(rung for rung in rungs if rung > first)]


def find_shifts(mesh: ServiceMesh) -> list[Shift]:
    """Return the policies of traffic in the document's order."""
    names = {service.name for service in mesh.spec.services}
    return [
        _to_shift(policy, index, names) for index, policy in enumerate(mesh.spec.traffic_policies)
    ]


def group_by_service(shifts: Iterable[Shift]) -> dict[str, list[Shift]]:
    """Return the policies of each service that any moves, in the document's order."""
    grouped: dict[str, list[Shift]] = {}
    for shift in shifts:
        grouped.setdefault(shift.service, []).append(shift)
    return grouped


def first_weights(shifts: Sequence[Shift]) -> dict[str, int]:
    """Return the weights of one service at the start: everything goes to the first's stable."""
    stable = shifts[0].stable
    others = {name for shift in shifts for name in (shift.stable, shift.canary)} - {stable}
    return {stable: 100, **dict.fromkeys(sorted(others), 0)}


def _to_shift(policy: TrafficPolicy, index: int, names: Collection[str]) -> Shift:
    first, second = policy.routes
    stable, canary = (first, second) if _is_stable(first, second, names) else (second, first)
    owner = find_owner(stable.destination, names) or stable.destination
    path = ("spec", "trafficPolicies", index)
    return Shift(policy, path, owner, stable.destination, canary.destination)


def _is_stable(first: Destination, second: Destination, names: Collection[str]) -> bool:
    """Return whether the first of two destinations is stable.

    That is the one with the service's own name, of which the other is a version; else the heavier.
    """
    own = find_own_name(first.destination, second.destination, names)
    if own is not None:
        return own == first.destination
    return first.weight >= second.weight


def find_own_name(first: str, second: str, names: Collection[str]) -> str | None:
    """Return which of two destinations is the service itself, or None if that is not clear."""
    for name, other in ((first, second), (second, first)):
        if other.startswith(f"{name}-"):
            return name
    own = [name for name in (first, second) if name in names]
    return own[0] if len(own) == 1 else None


def build_plan(
    shift: Shift, namespace: str, route: Json, guardrails: list[Json], policy: Policy
) -> Json:
    """Return the plan of a policy of traffic, as a document that `surefoot check` accepts."""
    match, rules = shift.policy.match, _write(policy)
    segment = {} if match is None else {"traffic": {"segment": _write(match)}}
    document = {
        "apiVersion": "surefoot.dev/v1alpha1",
        "kind": "RolloutPlan",
        "metadata": {"name": shift.policy.name, "namespace": namespace},
        "spec": {
            "service": shift.service,
            "stable": {"version": shift.stable},
            "canary": {"version": shift.canary},
            "route": route,
            **segment,
            **({"policy": rules} if rules else {}),
            "ramp": {"steps": [f"{step * 100:.4g}%" for step in shift.steps], "bake": _BAKE},
            "guardrails": guardrails,
        },
    }
    Plan.model_validate(document)
    return document


def _write(model: Model) -> Json:
    """Return a part of a plan as it stands in one."""
    return model.model_dump(by_alias=True, exclude_none=True, mode="json")


def remarks(mesh: ServiceMesh, shifts: list[Shift], guardrails: list[Json]) -> Iterator[Remark]:
    """Yield what of the policies of traffic is ours, and what becomes of them otherwise."""
    services, first = {service.name for service in mesh.spec.services}, dict[str, str]()
    for shift in shifts:
        yield from _remark_on(shift, services, guardrails)
        other = first.setdefault(shift.service, shift.policy.name)
        if other != shift.policy.name:
            yield changed(
                (*shift.path, "name"),
                f"`{other}` moves `{shift.service}` too, and one rollout at a time does: run this "
                "plan once that has ended, with the version that is stable then",
            )


def _remark_on(shift: Shift, services: Collection[str], guardrails: list[Json]) -> Iterator[Remark]:
    weights, names = (*shift.path, "routes"), [guardrail["name"] for guardrail in guardrails]
    ladder = ", ".join(percent(step) for step in shift.steps)
    yield changed(
        weights,
        f"it begins at 100 and 0, and the plan `{shift.policy.name}` moves the weights: the ladder "
        f"({ladder}), the bake of {_BAKE} and the guardrails ({', '.join(names)}) are Surefoot's",
    )
    if shift.asked not in shift.steps:
        is_none = not shift.asked
        why = "a rollout begins at 0" if is_none else "the promotion itself goes to 100 %"
        yield changed(weights, f"the first step is {percent(shift.steps[0])}: {why}")
    if find_own_name(shift.stable, shift.canary, services) is None:
        first, second = shift.policy.routes
        why = "the first" if first.weight == second.weight else "the heavier"
        yield changed(
            weights, f"`{shift.stable}` is stable, as {why}: neither has the service's own name"
        )
    if shift.policy.match is not None:
        yield changed(
            (*shift.path, "match"),
            f"the promotion gives `{shift.canary}` every request, also those that do not match",
        )
