"""What a change of a mesh document would do to traffic, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rollout.mesh_document.model.document import ServiceMesh
from rollout.mesh_document.model.host import HOME
from rollout.mesh_document.model.service import LoadBalancer, MeshService
from rollout.mesh_document.splits import Shift, find_shifts
from rollout.plan.fields.units import exact_duration, percent

Words = Mapping[str, str]  # what is so, by topic; a topic that the document leaves out is missing

_ALGORITHMS = {
    "round_robin": "endpoints are asked in turn",
    "least_connections": "the less busy of two endpoints is asked",
    "weighted": "endpoints are asked in turn, by their weights",
    "consistent_hash": "endpoints are chosen by a hash of the {key}",
}
_TESTS = {"exact": "is", "prefix": "begins with", "regex": "matches"}
_WITHOUT = {
    "balance": "the mesh chooses endpoints by itself",
    "probe": "no failed endpoint is noticed",
    "breaker": "it is asked however many requests fail",
    "retries": "nothing is sent again but what the mesh repeats by itself",
    "timeout": "no time-out but the mesh's own",
    "fallback": "nobody answers where it cannot",
    "failover": "no region takes over for another",
    "name": "",
    "namespace": "",
    "mtls": "the mesh decides who speaks mTLS",
    "authorization": "everybody may ask",
}


def describe_changes(old: ServiceMesh, new: ServiceMesh) -> list[str]:
    """Return what would change for traffic, one sentence each; empty if nothing would."""
    before = {service.name: service for service in old.spec.services}
    after = {service.name: service for service in new.spec.services}
    lines = [
        f"{name}: gone; nothing is said of its requests" for name in before if name not in after
    ]
    for name, service in after.items():
        words, earlier = _describe_service(service), before.get(name)
        if earlier is None:
            lines.append("; ".join([f"{name}: new", *words.values()]))
        else:
            lines += _compare(name, _describe_service(earlier), words)
    lines += _compare_ports(old, new)
    lines += _compare_splits(old, new)
    lines += _compare("the mesh", _describe_mesh(old), _describe_mesh(new))
    return lines


def _compare(subject: str, before: Words, after: Words) -> Iterator[str]:
    for topic, without in _WITHOUT.items():
        was, becomes = before.get(topic, without), after.get(topic, without)
        if was != becomes:
            yield f"{subject}: {becomes}; before: {was}"


def _compare_ports(old: ServiceMesh, new: ServiceMesh) -> Iterator[str]:
    """Yield the services that a local Envoy serves at another port."""
    before = {service.name: index for index, service in enumerate(old.spec.services)}
    for index, service in enumerate(new.spec.services):
        was = before.get(service.name, index)
        if was != index:
            yield (
                f"{service.name}: on a local Envoy it is asked at the port of --listen plus "
                f"{index}; before: plus {was}"
            )


def _compare_splits(old: ServiceMesh, new: ServiceMesh) -> Iterator[str]:
    before, after = (_describe_shifts(find_shifts(mesh)) for mesh in (old, new))
    for name in dict.fromkeys([*before, *after]):
        was, becomes = before.get(name, "no plan"), after.get(name, "no plan")
        if was != becomes:
            yield f"{name}: {becomes}; before: {was}"


def _describe_shifts(shifts: Sequence[Shift]) -> Words:
    first = {shift.service: shift.policy.name for shift in reversed(shifts)}
    return {shift.policy.name: _describe_shift(shift, first[shift.service]) for shift in shifts}


def _describe_shift(shift: Shift, first: str) -> str:
    waits = f" once `{first}` has ended" if first != shift.policy.name else ""
    text = (
        f"a plan moves `{shift.service}` from `{shift.stable}` to `{shift.canary}`{waits}, "
        f"{percent(shift.steps[0])} first"
    )
    if shift.policy.match is None:
        return text
    kind, match = shift.policy.match.key
    tests = match.model_dump(exclude_none=True, exclude={"name"})
    wanted = " ".join(f"{_TESTS[test]} `{value}`" for test, value in tests.items())
    share = shift.policy.match.share
    of_all = f", {percent(share)} of all" if share is not None else ""
    assignment = f" ({shift.policy.match.assignment}{of_all})"
    return f"{text}, of the requests whose {kind} `{match.name}` {wanted}{assignment}"


def _describe_service(service: MeshService) -> Words:
    words = _describe_balancer(service.load_balancer) if service.load_balancer else {}
    if service.breaks_at is not None:
        words["breaker"] = f"it is not asked for a while at {service.breaks_at} % errors"
    if service.retries is not None:
        pause = service.retries.backoff
        apart = f", {exact_duration(pause)} apart at least" if pause is not None else ""
        words["retries"] = f"attempts after the first: {service.retries.attempts} at most{apart}"
    if service.timeout is not None:
        words["timeout"] = f"a request ends after {exact_duration(service.timeout)}"
    if service.fallback is not None:
        words["fallback"] = f"`{service.fallback.service}` answers where it cannot"
    if service.failover is not None:
        regions = ", ".join(f"{region.to} for {region.from_}" for region in service.failover)
        words["failover"] = f"regions take over: {regions}"
    return words


def _describe_balancer(balancer: LoadBalancer) -> dict[str, str]:
    kind, name = ("header", balancer.header) if balancer.header else ("cookie", balancer.cookie)
    words = {"balance": _ALGORITHMS[balancer.algorithm].format(key=f"{kind} `{name}`")}
    check = balancer.health_check
    if check is not None:
        every = f"{check.threshold} failures at {exact_duration(check.interval)}"
        words["probe"] = f"an endpoint is not asked after {every}"
    return words


def _describe_mesh(mesh: ServiceMesh) -> Words:
    words = {
        "name": f"its own objects are called {mesh.metadata.name}",
        "namespace": f"its services are in the namespace {mesh.metadata.namespace or HOME}",
    }
    if mesh.mtls is not None:
        words["mtls"] = f"mTLS is {mesh.mtls}"
    if mesh.is_authorized:
        words["authorization"] = "only those may ask that --allow names"
    return words
