"""The clusters of a local Envoy: who answers a service's requests, and how failures are noticed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rollout.mesh_document.model.document import ServiceMesh
from rollout.mesh_document.model.names import find_owner
from rollout.mesh_document.model.service import HealthCheck, MeshService
from rollout.mesh_document.policy import select, translate
from rollout.mesh_document.splits import Shift, first_weights, group_by_service
from rollout.plan.model.mesh.policy import Policy
from rollout.route.envoy.bootstrap import SocketAddress, build_cluster
from rollout.route.envoy.safety_net import build_aggregate
from rollout.route.manifest import Json
from rollout.route.policy.envoy import cluster_fields
from rollout.route.policy.owned import Ownership, Path, apply_fields, spoken

# A breaker looks back one interval, and judges only with so many requests in it: Envoy's defaults.
# One endpoint is enough; with Envoy's least of 5 a small service would have no breaker.
INTERVAL, OPEN, REQUESTS = "10s", "30s", 50
_LONGEST_PROBE = 1.0  # seconds


@dataclass(frozen=True)
class Answerer:
    """Who answers some of a service's requests: the endpoints of a name, then its fallbacks."""

    service: str
    name: str
    cluster: str
    fallbacks: tuple[str, ...]

    @property
    def target(self) -> str:
        """The cluster that the route names."""
        return f"{self.cluster}_or_{self.fallbacks[0]}" if self.fallbacks else self.cluster

    @property
    def counted_as(self) -> str:
        return count_as(self.service, self.name)


def count_as(service: str, name: str) -> str:
    """Return what requests are counted as; a dot would end the name in Envoy's statistics."""
    return f"{service};{name}".replace(".", "_")


class Answerers:
    """Who answers for each service of a mesh, by its name; stable of the first plan comes first."""

    def __init__(self, mesh: ServiceMesh, shifts: Sequence[Shift]) -> None:
        self._mesh = mesh
        self._services = {service.name: service for service in mesh.spec.services}
        moved = group_by_service(shifts)
        arms = {service: [*first_weights(moved[service])] for service in sorted(moved)}
        self._canaries = {(shift.service, shift.canary) for shift in shifts}
        self._arms = {name: service for service, names in arms.items() for name in names}
        self.by_service = {
            service: [self._answer(service, name) for name in arms.get(service, [service])]
            for service in self._services
        }

    def _answer(self, service: str, name: str) -> Answerer:
        # Requests to a version by its own name are none of its rollout's: they are counted in
        # another cluster. No service's name has an underscore, so no cluster is called like it.
        is_other = self._arms.get(name, service) != service
        # A fallback would answer for a canary that fails, and hide its errors.
        is_canary = (service, name) in self._canaries
        fallbacks = () if is_canary else (*self._find_fallbacks(name),)
        return Answerer(service, name, f"{name}_for_{service}" if is_other else name, fallbacks)

    def settings(self, name: str) -> MeshService | None:
        """Return the settings of a name: its own, or those of the service it is a version of."""
        return self._services.get(find_owner(name, self._services) or "")

    def policy(self, name: str) -> Policy:
        """Return the part of a plan's policy that stands in the cluster of a name."""
        settings = self.settings(name)
        return select(translate(self._mesh, settings), "balance") if settings else Policy()

    def _find_fallbacks(self, name: str) -> Iterator[str]:
        passed, settings = {name}, self.settings(name)
        while settings is not None and settings.fallback is not None:
            name = settings.fallback.service
            if name in passed:
                return
            passed.add(name)
            yield name
            settings = self._services.get(name)

    def names(self) -> list[str]:
        """Return every name whose endpoints are needed."""
        return [*dict.fromkeys(name for _, name in self._endpoint_clusters())]

    def clusters(self, endpoints: Mapping[str, Sequence[SocketAddress]]) -> list[Json]:
        """Return every cluster once: endpoints first, then what falls back from one to another."""
        answerers = [a for answering in self.by_service.values() for a in answering]
        counted = {answerer.cluster: answerer.counted_as for answerer in answerers}
        falling = {answerer.cluster for answerer in answerers if answerer.fallbacks}
        clusters = {
            cluster: self._build_cluster(
                cluster,
                name,
                counted.get(cluster, count_as(find_owner(name, self._services) or name, name)),
                endpoints[name],
                falls=cluster in falling,
            )
            for cluster, name in self._endpoint_clusters()
        }
        for answerer in answerers:
            if answerer.fallbacks:
                members = [answerer.cluster, *answerer.fallbacks]
                clusters[answerer.target] = build_aggregate(
                    answerer.target, answerer.counted_as, members
                )
        return [*clusters.values()]

    def _endpoint_clusters(self) -> Iterator[tuple[str, str]]:
        """Yield each cluster that has endpoints, with their name; some more than once."""
        for answering in self.by_service.values():
            for answerer in answering:
                yield answerer.cluster, answerer.name
                yield from ((name, name) for name in answerer.fallbacks)

    def _build_cluster(
        self,
        cluster: str,
        name: str,
        counted_as: str,
        endpoints: Sequence[SocketAddress],
        *,
        falls: bool,
    ) -> Json:
        built, settings = build_cluster(cluster, counted_as, endpoints), self.settings(name)
        policy = self.policy(name).model_copy(update={"fallback": falls})
        fields = {**cluster_fields(built, Ownership(), policy, canary=True)}
        if settings is not None and settings.breaks_at is not None:
            breaker = _build_breaker(settings.breaks_at, falls=falls)
            fields |= {(cluster, *path): value for path, value in breaker.items()}
        if falls:  # else Envoy tells its threads of the second ejection a second later
            fields[cluster, "common_lb_config", "update_merge_window"] = "0s"
        balancer = settings.load_balancer if settings is not None else None
        if balancer is not None and balancer.health_check is not None:
            fields[cluster, "health_checks"] = [_build_probe(balancer.health_check)]
        apply_fields({cluster: built}, Ownership(), fields)
        return built


def _build_breaker(threshold: int, *, falls: bool) -> dict[Path, Any]:
    """Return the fields of a breaker: an endpoint whose share of errors is too high is not asked.

    All endpoints may be out, and then nobody is asked, unless a fallback is. Errors in a row eject
    an endpoint only where a fallback needs to know of them at once.
    """
    detection = {
        "failure_percentage_threshold": threshold,
        "enforcing_failure_percentage": 100,
        "failure_percentage_minimum_hosts": 1,
        "failure_percentage_request_volume": REQUESTS,
        "enforcing_success_rate": 0,
        "interval": INTERVAL,
        "base_ejection_time": OPEN,
        "max_ejection_percent": 100,
    }
    if not falls:
        detection["enforcing_consecutive_5xx"] = 0
    fields: dict[Path, Any] = {
        ("outlier_detection", key): value for key, value in detection.items()
    }
    return fields | {("common_lb_config", "healthy_panic_threshold"): {"value": 0}}


def _build_probe(check: HealthCheck) -> Json:
    """Return an active probe: the document names no path, so a connection is all that is asked."""
    interval = spoken(check.interval)
    return {
        "timeout": spoken(min(check.interval, _LONGEST_PROBE)),
        "interval": interval,
        "no_traffic_interval": interval,
        "unhealthy_threshold": check.threshold,
        "healthy_threshold": 1,
        "tcp_health_check": {},
    }
