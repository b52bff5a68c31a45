"""A mesh document as an Envoy on this machine: a folder that starts as it is, and the plans."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rollout.mesh_document.model.document import ServiceMesh
from rollout.mesh_document.model.host import is_outside
from rollout.mesh_document.model.names import Fault
from rollout.mesh_document.model.service import MeshService
from rollout.mesh_document.notes import Remark, changed, left_out
from rollout.mesh_document.policy import agree, select, translate
from rollout.mesh_document.splits import ERRORS, Shift, build_plan, find_shifts
from rollout.mesh_document.splits import remarks as split_remarks
from rollout.mesh_document.targets.compiled import Compiled, Options
from rollout.mesh_document.targets.envoy_clusters import Answerer, Answerers
from rollout.mesh_document.targets.manifests import list_run_commands, write_documents, write_plans
from rollout.mesh_document.targets.remarks import (
    AUTHORIZATION,
    MTLS,
    remark_on_breakers,
    remark_on_connections,
    remark_on_retries,
    service_path,
)
from rollout.plan.fields.codes import fault
from rollout.plan.model.mesh.policy import Policy
from rollout.route.envoy.bootstrap import (
    SocketAddress,
    WatchedFile,
    bootstrap,
    build_listener,
    build_route,
    build_stats,
    cluster_file,
    route_file,
)
from rollout.route.manifest import Json
from rollout.route.policy.envoy import action_fields
from rollout.route.policy.owned import Ownership, apply_fields

# The buckets of our own bootstrap tell latencies that are 25 % apart.
GUARDRAILS: list[Json] = [
    {**ERRORS, "template": "envoy/errors"},
    {"name": "latency", "template": "envoy/latency", "tolerance": "25%"},
]
_FOLDER, _CLUSTERS = "watched", "clusters.yaml"
_WORD = "[a-z0-9_-]+"
_LAST_PORT = 65_535
_PLAIN = "it is asked in plain text, without TLS, and by the Host that the client wrote"


def compile_envoy(mesh: ServiceMesh, options: Options) -> Compiled:
    """Compile a document to an Envoy's bootstrap, its watched files, and plans.

    Paths are relative to the folder, so that it starts wherever it is.
    """
    shifts = find_shifts(mesh)
    answerers = Answerers(mesh, shifts)
    refusals = [
        *_find_refusals(mesh),
        *_find_unknown(mesh, answerers, options),
        *_find_idle_weights(mesh, answerers, options),
    ]
    if refusals:
        return Compiled(refusals=refusals)
    names = [service.name for service in mesh.spec.services]
    asked_at = dict(zip(names, options.listen_for(mesh), strict=True))
    listeners = [
        build_listener(name, address, WatchedFile(_FOLDER, _name_routes(name)))
        for name, address in asked_at.items()
    ]
    clusters = WatchedFile(_FOLDER, _CLUSTERS)
    started = bootstrap(
        mesh.metadata.name, options.admin, listeners, build_stats(_WORD, _WORD), clusters
    )
    plans = [(shift, _build_plan(shift, answerers, mesh, options)) for shift in shifts]
    commands = ["envoy -c envoy.yaml --disable-hot-restart", *list_run_commands(plans)]
    files = {
        "envoy.yaml": write_documents([started], _format_start(commands)),
        f"{_FOLDER}/{_CLUSTERS}": write_documents(
            [cluster_file(answerers.clusters(options.endpoints))]
        ),
        **{
            f"{_FOLDER}/{_name_routes(service.name)}": write_documents(
                [_build_routes(mesh, service, answerers.by_service[service.name])]
            )
            for service in mesh.spec.services
        },
        **write_plans(plans),
    }
    return Compiled(
        files,
        [*_find_remarks(mesh, shifts, options.endpoints), *split_remarks(mesh, shifts, GUARDRAILS)],
        commands,
        {name: _to_url(address) for name, address in asked_at.items()},
    )


def _format_start(commands: Sequence[str]) -> str:
    lines = ["Started in this folder, beside a Prometheus that scrapes the admin port:", *commands]
    return "".join(f"# {line}\n" for line in lines)


def _name_routes(service: str) -> str:
    return f"routes-{service}.yaml"


def _to_url(address: SocketAddress) -> str:
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"http://{host}:{address.port}"


def _build_routes(mesh: ServiceMesh, service: MeshService, answering: Sequence[Answerer]) -> Json:
    """Build a service's route file: all requests go to the first of those that answer them."""
    weights = {answerer.target: 100 * (not n) for n, answerer in enumerate(answering)}
    route = build_route(weights)
    policy = translate(mesh, service)
    fields = {("route", *path): value for path, value in action_fields(policy).items()}
    apply_fields({"route": route["route"]}, Ownership(), fields)
    return route_file(service.name, [route])


def _build_plan(shift: Shift, answerers: Answerers, mesh: ServiceMesh, options: Options) -> Json:
    answering = {answerer.name: answerer for answerer in answerers.by_service[shift.service]}
    stable, canary = answering[shift.stable], answering[shift.canary]
    route = {
        "file": f"{_FOLDER}/{_name_routes(shift.service)}",
        "admin": _to_url(options.admin),
        "clusters": {"stable": stable.target, "canary": canary.target},
        "clusterFile": f"{_FOLDER}/{_CLUSTERS}",
    }
    policy = _agree_on_policy(shift, answerers, mesh, (stable, canary))
    return build_plan(shift, options.home_of(mesh).namespace, {"envoy": route}, GUARDRAILS, policy)


def _agree_on_policy(
    shift: Shift, answerers: Answerers, mesh: ServiceMesh, arms: Sequence[Answerer]
) -> Policy:
    """Return what the plan's policy holds: what is the route's, and what both clusters share.

    A cluster that falls back to another has no endpoints, so nothing can be asked of it.
    """
    (service,) = (s for s in mesh.spec.services if s.name == shift.service)
    policy = select(translate(mesh, service), "retries", "timeout")
    if any(answerer.fallbacks for answerer in arms):
        return policy
    shared = agree(answerers.policy(shift.stable), answerers.policy(shift.canary))
    return policy.model_copy(update={"balance": shared.balance})


def _find_refusals(mesh: ServiceMesh) -> Iterator[Fault]:
    """Yield what needs certificates, which a local Envoy does not have."""
    if mesh.mtls not in (None, "DISABLE"):
        hint = "leave `mtls` out for this target, or write `mode: DISABLE`"
        yield MTLS, fault("P034", "a local Envoy without certificates cannot speak mTLS", hint=hint)
    if mesh.is_authorized:
        message = "without certificates a local Envoy does not know who asks"
        hint = "leave `authorization` out for this target, or write `enabled: false`"
        yield (*AUTHORIZATION, "enabled"), fault("P034", message, hint=hint)


def _find_unknown(mesh: ServiceMesh, answerers: Answerers, options: Options) -> Iterator[Fault]:
    """Yield each name of which nobody says where it answers, where the document first has it."""
    for name in answerers.names():
        if name not in options.endpoints:
            hint = f"say it: --endpoint {name}=HOST:PORT"
            yield _locate(mesh, name), fault("P034", f"where does `{name}` answer?", hint=hint)
    for index, _ in enumerate(mesh.spec.services):
        if options.listen.port + index > _LAST_PORT:
            message = "no port is left for its listener"
            yield service_path(index, "name"), fault("P034", message, hint="use a lower --listen")


def _find_idle_weights(
    mesh: ServiceMesh, answerers: Answerers, options: Options
) -> Iterator[Fault]:
    """Yield where endpoints that are asked in turn have weights: Envoy would weigh them."""
    weighted = {
        settings.name
        for name, endpoints in options.endpoints.items()
        if any(endpoint.weight is not None for endpoint in endpoints)
        and (settings := answerers.settings(name))
    }
    for index, service in enumerate(mesh.spec.services):
        balancer = service.load_balancer
        is_in_turn = balancer is not None and balancer.algorithm == "round_robin"
        if is_in_turn and service.name in weighted:
            message = "it asks in turn, but --endpoint gives weights"
            hint = "write `weighted`, or leave each @WEIGHT out"
            path = service_path(index, "loadBalancer", "algorithm")
            yield path, fault("P034", message, hint=hint)


def _locate(mesh: ServiceMesh, name: str) -> tuple[str | int, ...]:
    for index, service in enumerate(mesh.spec.services):
        if service.name == name:
            return service_path(index, "name")
        if service.fallback is not None and service.fallback.service == name:
            return service_path(index, "fallback", "service")
    return next(
        ("spec", "trafficPolicies", index, "routes", position, "destination")
        for index, policy in enumerate(mesh.spec.traffic_policies)
        for position, route in enumerate(policy.routes)
        if route.destination == name
    )


def _find_remarks(
    mesh: ServiceMesh, shifts: Sequence[Shift], endpoints: Mapping[str, Sequence[SocketAddress]]
) -> Iterator[Remark]:
    canaries = {shift.service: shift.canary for shift in shifts}
    yield from remark_on_connections(mesh)
    yield from remark_on_retries(mesh)
    yield from remark_on_breakers(mesh)
    if mesh.metadata.namespace is not None and not shifts:
        yield left_out(("metadata", "namespace"), "an Envoy on one machine has no namespaces")
    for index, service in enumerate(mesh.spec.services):
        yield from _remark_on_balancing(index, service, endpoints.get(service.name, ()))
        if service.fallback is not None and service.name in canaries:
            yield changed(
                service_path(index, "fallback", "service"),
                f"`{canaries[service.name]}` is on trial and answers for itself: a fallback would "
                "hide its errors",
            )
        if service.failover is not None:
            path = service_path(index, "failover")
            yield left_out(path, "an Envoy on one machine has no regions")
        if is_outside(service.name):
            yield changed(service_path(index, "name"), _PLAIN)
        if service.fallback is not None and is_outside(service.fallback.service):
            yield changed(service_path(index, "fallback", "service"), _PLAIN)


def _remark_on_balancing(
    index: int, service: MeshService, endpoints: Sequence[SocketAddress]
) -> Iterator[Remark]:
    balancer, breaker, opens = service.load_balancer, service.circuit_breaker, service.breaks_at
    has_weights = any(endpoint.weight is not None for endpoint in endpoints)
    if balancer is not None and balancer.algorithm == "weighted" and not has_weights:
        yield changed(
            service_path(index, "loadBalancer", "algorithm"),
            "no endpoint has a weight, so they are asked in turn: --endpoint "
            f"{service.name}=HOST:PORT@WEIGHT",
        )
    asked = breaker.error_threshold if breaker is not None else None
    if opens is not None and asked is not None and round(asked * 100, 2) != opens:
        path = service_path(index, "circuitBreaker", "errorThreshold")
        yield changed(path, f"Envoy knows whole per cents: it opens at {opens} %")
