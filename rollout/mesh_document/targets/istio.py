"""A mesh document as Istio's objects, and the plans that move its VirtualServices."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence

from rollout.kube.kinds import Kind
from rollout.mesh_document.model.document import ServiceMesh
from rollout.mesh_document.model.host import is_outside
from rollout.mesh_document.model.names import Fault, find_owner
from rollout.mesh_document.model.service import MeshService
from rollout.mesh_document.notes import Remark, changed, left_out
from rollout.mesh_document.policy import select, translate
from rollout.mesh_document.splits import (
    ERRORS,
    Shift,
    build_plan,
    find_shifts,
    first_weights,
    group_by_service,
)
from rollout.mesh_document.splits import remarks as split_remarks
from rollout.mesh_document.targets.compiled import Compiled, Home, Options
from rollout.mesh_document.targets.manifests import build_object, bundle
from rollout.mesh_document.targets.remarks import (
    AUTHORIZATION,
    MTLS,
    refuse_open_authorization,
    remark_on_breakers,
    remark_on_connections,
    remark_on_retries,
    service_path,
)
from rollout.plan.fields.codes import fault
from rollout.plan.model.mesh.policy import Mtls, Policy
from rollout.route.create import specs
from rollout.route.kube.objects import DESTINATION_RULE, PEER_AUTHENTICATION, VIRTUAL_SERVICE
from rollout.route.manifest import Json
from rollout.route.policy.istio import http_fields, pods_fields, pods_roots, rule_fields, rule_roots
from rollout.route.policy.owned import Ownership, apply_fields

AUTHORIZATION_POLICY = Kind(
    "security.istio.io", "v1beta1", "authorizationpolicies", "AuthorizationPolicy"
)
# Istio counts requests by the Service that was called, so its name tells the versions apart. What
# both share is the pods' `app` or `service.istio.io/canonical-name`.
LABELS = {"service": "destination_canonical_service", "version": "destination_service_name"}
GUARDRAILS: list[Json] = [{**ERRORS, "template": "istio/errors", "labels": LABELS}]
_PER_ROUTE = ("retries", "timeout")


def compile_istio(mesh: ServiceMesh, options: Options) -> Compiled:
    """Compile a document to manifests, in the order in which they are applied, and plans."""
    refusals = [*refuse_open_authorization(mesh, options), *_refuse_anonymous(mesh)]
    if refusals:
        return Compiled(refusals=refusals)
    home, shifts = options.home_of(mesh), find_shifts(mesh)
    policies = {service.name: translate(mesh, service) for service in mesh.spec.services}
    objects: list[Json] = []
    for name, policy in _name_hosts(policies, shifts):
        objects += _build_rule(name, home, policy)
    moved = group_by_service(shifts)
    for name, policy in policies.items():
        if name not in moved:
            objects += _build_fixed_route(name, home, policy)
    # Servers ask for mTLS once their clients were told to speak it.
    for namespace in _find_homes(mesh, home):
        objects += _build_security(mesh, namespace, options.principals)
    routes = [
        _build_moved_route(name, home, policy, moved[name])
        for name, policy in policies.items()
        if name in moved
    ]
    plans = [(shift, _build_plan(shift, home, policies[shift.service])) for shift in shifts]
    remarks = [
        *_find_remarks(mesh, policies, moved, home),
        *split_remarks(mesh, shifts, GUARDRAILS),
    ]
    return bundle(objects, routes, plans, remarks)


def _refuse_anonymous(mesh: ServiceMesh) -> Iterator[Fault]:
    if mesh.is_authorized and mesh.mtls == "DISABLE":
        yield (
            MTLS,
            fault(
                "P034",
                "without mTLS nobody has a principal, so the authorization would deny everything",
                hint="write `mode: STRICT`, or leave `authorization` out",
            ),
        )


def _name_hosts(
    policies: dict[str, Policy], shifts: Sequence[Shift]
) -> Iterator[tuple[str, Policy]]:
    """Yield every host with its policy: the services', then the versions that plans move to."""
    yield from policies.items()
    versions = {name for shift in shifts for name in (shift.stable, shift.canary)}
    for name in sorted(versions - policies.keys()):
        yield name, policies[find_owner(name, policies) or name]


def _build_rule(host: str, home: Home, policy: Policy) -> list[Json]:
    """Build a host's DestinationRule; nothing where the policy asks for nothing in it."""
    name, home = home.locate(host)
    rule = build_object(DESTINATION_RULE, name, home, {"host": name})
    apply_fields(rule_roots(rule), Ownership(), rule_fields(policy))
    return [rule] if "trafficPolicy" in rule["spec"] else []


def _build_fixed_route(name: str, home: Home, policy: Policy) -> list[Json]:
    """Build the VirtualService of a service that no plan moves, where it has to say anything."""
    if not http_fields(policy):
        return []
    name, home = home.locate(name)
    return [_build_route(name, home, policy, [specs.destination(name, 100)])]


def _build_moved_route(service: str, home: Home, policy: Policy, shifts: Sequence[Shift]) -> Json:
    """Build the VirtualService of plans: all requests go to the first one's stable."""
    asked = first_weights(shifts)
    weights = [specs.destination(name, weight) for name, weight in asked.items()]
    return _build_route(service, home, policy, weights)


def _build_route(name: str, home: Home, policy: Policy, weights: Sequence[Json]) -> Json:
    spec = specs.virtual_service([name], weights)
    (http,) = spec["http"]
    fields = {("http", *path): value for path, value in http_fields(policy).items()}
    apply_fields({"http": http}, Ownership(), fields)
    return build_object(VIRTUAL_SERVICE, name, home, spec)


def _find_homes(mesh: ServiceMesh, home: Home) -> list[Home]:
    """Return each namespace that a service of the mesh is in."""
    names = [service.name for service in mesh.spec.services if not is_outside(service.name)]
    return [*dict.fromkeys(home.locate(name)[1] for name in names)] or [home]


def _build_security(mesh: ServiceMesh, home: Home, principals: Sequence[str]) -> Iterator[Json]:
    """Build what holds for every pod of the namespace."""
    name = mesh.metadata.name
    if mesh.mtls is not None:
        peers = build_object(PEER_AUTHENTICATION, name, home, {})
        mtls = Policy().model_copy(
            update={"mtls": Mtls.model_validate({"mode": mesh.mtls.lower()})}
        )
        apply_fields(pods_roots(peers), Ownership(), pods_fields(mtls))
        yield peers
    if mesh.is_authorized:
        source = {"source": {"principals": [*principals]}}
        spec = {"action": "ALLOW", "rules": [{"from": [source]}]}
        yield build_object(AUTHORIZATION_POLICY, name, home, spec)


def _build_plan(shift: Shift, home: Home, policy: Policy) -> Json:
    hosts = {"stable": shift.stable, "canary": shift.canary}
    route = {"istio": {"virtualService": shift.service, "hosts": hosts}}
    return build_plan(shift, home.namespace, route, GUARDRAILS, select(policy, *_PER_ROUTE))


def _find_remarks(
    mesh: ServiceMesh, policies: dict[str, Policy], moved: Collection[str], home: Home
) -> Iterator[Remark]:
    for index, service in enumerate(mesh.spec.services):
        yield from _remark_on_service(index, service)
        policy = policies[service.name]
        if not (rule_fields(policy) or http_fields(policy) or service.name in moved):
            yield left_out(service_path(index, "name"), "Istio has to be told nothing of it")
    yield from remark_on_connections(mesh)
    yield from remark_on_retries(mesh)
    yield from remark_on_breakers(
        mesh, "Istio ejects endpoints by errors in a row, and knows no share of errors"
    )
    spaces = ", ".join(f"`{other.namespace}`" for other in _find_homes(mesh, home))
    everybody = f"it holds for every pod of {spaces}, also of services not named here"
    if mesh.mtls is not None:
        yield changed(MTLS, everybody)
    if mesh.is_authorized:
        plain = "" if mesh.mtls == "STRICT" else "; who comes without mTLS is denied"
        yield changed((*AUTHORIZATION, "enabled"), everybody + plain)


def _remark_on_service(index: int, service: MeshService) -> Iterator[Remark]:
    balancer = service.load_balancer
    if balancer is not None and balancer.algorithm == "weighted":
        path = service_path(index, "loadBalancer", "algorithm")
        yield changed(path, "pods have no weights: they are asked in turn")
    probe = balancer.health_check if balancer is not None else None
    if probe is not None:
        ready = f"periodSeconds: {math.ceil(probe.interval)}, failureThreshold: {probe.threshold}"
        yield changed(
            service_path(index, "loadBalancer", "healthCheck"),
            "nobody is probed: an endpoint is ejected after so many errors in a row; give the pods "
            f"readinessProbe: {{tcpSocket: {{port: http}}, {ready}}}",
        )
    if service.failover is not None and probe is None:
        path = service_path(index, "failover")
        yield changed(path, "an endpoint that fails 5 times in a row is ejected, so it is noticed")
    if service.fallback is not None:
        path = service_path(index, "fallback", "service")
        yield left_out(path, "Istio cannot ask another service where one fails")
    if is_outside(service.name):
        path = service_path(index, "name")
        yield changed(path, "Istio needs a ServiceEntry that names this host")
