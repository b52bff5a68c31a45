"""Remarks and refusals that several targets share."""

from __future__ import annotations

from collections.abc import Iterator

from rollout.mesh_document.model.document import ServiceMesh
from rollout.mesh_document.model.names import Fault, Path
from rollout.mesh_document.notes import Remark, changed, left_out
from rollout.mesh_document.targets.compiled import Options
from rollout.plan.fields.codes import fault


def service_path(index: int, *keys: str | int) -> Path:
    """Return the path of a service's key in the document."""
    return ("spec", "services", index, *keys)


AUTHORIZATION: Path = ("spec", "security", "authorization")
MTLS: Path = ("spec", "security", "mtls", "mode")


def refuse_open_authorization(mesh: ServiceMesh, options: Options) -> Iterator[Fault]:
    """Yield why an authorization cannot be compiled: nobody says who may ask."""
    if mesh.is_authorized and not options.principals:
        yield (
            (*AUTHORIZATION, "enabled"),
            fault(
                "P034",
                "an empty policy denies everything, and a rule without limits allows everything",
                hint="say who may ask: --allow cluster.local/ns/NAMESPACE/sa/ACCOUNT",
            ),
        )


def remark_on_authorization(mesh: ServiceMesh) -> Iterator[Remark]:
    """Yield what an authorization needs besides the document."""
    if mesh.is_authorized:
        why = "nobody is named who may ask: `surefoot mesh compile` needs --allow PRINCIPAL"
        yield changed((*AUTHORIZATION, "enabled"), why)


def remark_on_breakers(mesh: ServiceMesh, lack: str = "") -> Iterator[Remark]:
    """Yield the breakers that do nothing: those that are off, and all where a target lacks them."""
    for index, service in enumerate(mesh.spec.services):
        breaker = service.circuit_breaker
        if breaker is None or (not breaker.enabled and breaker.error_threshold is None):
            continue
        path = service_path(index, "circuitBreaker", "errorThreshold")
        if not breaker.enabled:
            yield left_out(path, "the breaker is not enabled")
        elif lack:
            yield left_out(path, lack)


def remark_on_retries(mesh: ServiceMesh) -> Iterator[Remark]:
    """Yield the pauses before attempts that are forbidden."""
    for index, service in enumerate(mesh.spec.services):
        retries = service.retries
        if retries is not None and not retries.attempts and retries.backoff is not None:
            path = service_path(index, "retries", "backoff")
            yield left_out(path, "there is no attempt after the first")


def remark_on_connections(mesh: ServiceMesh) -> Iterator[Remark]:
    """Yield where requests are counted instead of connections."""
    for index, service in enumerate(mesh.spec.services):
        balancer = service.load_balancer
        if balancer is not None and balancer.algorithm == "least_connections":
            yield changed(
                service_path(index, "loadBalancer", "algorithm"),
                "requests under way are counted, not connections: the less busy of two is asked",
            )
