"""A mesh document as the Gateway API's routes, and the plans that move them."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from rollout.mesh_document.model.document import ServiceMesh
from rollout.mesh_document.model.host import is_outside
from rollout.mesh_document.model.service import MeshService
from rollout.mesh_document.notes import Remark, changed, left_out
from rollout.mesh_document.policy import select
from rollout.mesh_document.splits import (
    Shift,
    build_plan,
    find_shifts,
    first_weights,
    group_by_service,
)
from rollout.mesh_document.splits import remarks as split_remarks
from rollout.mesh_document.targets.compiled import Compiled, Options
from rollout.mesh_document.targets.istio import GUARDRAILS
from rollout.mesh_document.targets.manifests import build_object, bundle
from rollout.mesh_document.targets.remarks import (
    AUTHORIZATION,
    MTLS,
    refuse_open_authorization,
    remark_on_breakers,
    service_path,
)
from rollout.plan.fields.units import exact_duration
from rollout.plan.model.mesh.policy import Policy
from rollout.route.create import specs
from rollout.route.kube.objects import HTTP_ROUTE
from rollout.route.manifest import Json

_LONGEST = 99_999 * 3600.0  # seconds: the Gateway API takes five digits of hours
_METRICS = "the guardrails read Istio's metrics: another mesh needs another template"
_OUTSIDE = "the Gateway API routes to Services of the cluster only"
_NO_BALANCER = "the Gateway API leaves it to the mesh which endpoint gets a request"


def compile_gateway(mesh: ServiceMesh, options: Options) -> Compiled:
    """Compile a document to HTTPRoutes whose parents are the Services, and plans."""
    if refusals := [*refuse_open_authorization(mesh, options)]:
        return Compiled(refusals=refusals)
    shifts, services = find_shifts(mesh), mesh.spec.services
    moved = group_by_service(shifts)
    fixed = [
        _build_route(service, {}, mesh, options)
        for service in services
        if service.name not in moved
        and service.timeout is not None
        and not is_outside(service.name)
    ]
    routes = [
        _build_route(service, first_weights(moved[service.name]), mesh, options)
        for service in services
        if service.name in moved
    ]
    plans = [(shift, _build_plan(shift, mesh, options)) for shift in shifts]
    remarks = [
        *_find_remarks(mesh, moved, options),
        *split_remarks(mesh, shifts, GUARDRAILS),
        *(changed((*shift.path, "routes"), _METRICS) for shift in shifts),
    ]
    return bundle(fixed, routes, plans, remarks)


def _build_route(
    service: MeshService, weights: dict[str, int], mesh: ServiceMesh, options: Options
) -> Json:
    """Build a service's HTTPRoute; without weights it gets every request itself.

    A segment needs its rule to have a name.
    """
    name, home = options.home_of(mesh).locate(service.name)
    backends = [
        specs.backend(arm, options.port, weight) for arm, weight in (weights or {name: 100}).items()
    ]
    rule = {"name": "requests", **specs.http_rule(backends)}
    if service.timeout is not None:
        rule["timeouts"] = {"request": exact_duration(min(service.timeout, _LONGEST))}
    parent = {"group": "", "kind": "Service", "name": name}
    spec = specs.gateway_route([parent], rule)
    return build_object(HTTP_ROUTE, name, home, spec)


def _build_plan(shift: Shift, mesh: ServiceMesh, options: Options) -> Json:
    backends = {"stable": shift.stable, "canary": shift.canary, "port": options.port}
    route = {"gateway": {"httpRoute": shift.service, "backends": backends}}
    return build_plan(shift, options.home_of(mesh).namespace, route, GUARDRAILS, select(Policy()))


def _find_remarks(mesh: ServiceMesh, moved: Collection[str], options: Options) -> Iterator[Remark]:
    for index, service in enumerate(mesh.spec.services):
        yield from _remark_on_service(index, service)
        path = service_path(index, "name")
        if is_outside(service.name):
            yield left_out(path, _OUTSIDE)
        elif service.name in moved or service.timeout is not None:
            yield changed(path, f"it is asked at port {options.port}, as --port says")
        else:
            yield left_out(path, "the Gateway API has to be told nothing of it")
    yield from remark_on_breakers(mesh, "the Gateway API has no circuit breakers")
    if mesh.mtls is not None:
        yield left_out(MTLS, "the Gateway API does not say how Services speak to each other")
    if mesh.is_authorized:
        why = "the Gateway API does not say who may ask: secure the services by other means"
        yield left_out((*AUTHORIZATION, "enabled"), why)


def _remark_on_service(index: int, service: MeshService) -> Iterator[Remark]:
    lacks = {
        "loadBalancer": _NO_BALANCER,
        "retries": "the Gateway API's standard channel has no retries",
        "fallback": "the Gateway API cannot ask another service where one fails",
        "failover": "the Gateway API has no regions",
    }
    given = service.model_dump(by_alias=True, exclude_none=True)
    yield from (
        left_out(service_path(index, key), why) for key, why in lacks.items() if key in given
    )
    path = service_path(index, "timeout")
    if service.timeout is not None and is_outside(service.name):
        yield left_out(path, _OUTSIDE)
    elif service.timeout is not None and service.timeout > _LONGEST:
        yield changed(path, f"the Gateway API's longest is {exact_duration(_LONGEST)}")
