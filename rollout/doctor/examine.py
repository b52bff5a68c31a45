"""All checks, in the order in which their cures are best taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rollout.doctor import declared, mesh, rights, series
from rollout.doctor.finding import Finding
from rollout.doctor.journal import of_journal
from rollout.errors import ClusterError, InputError
from rollout.journal.location import JournalLocation
from rollout.kube.kinds import ROLLOUT_PLAN, ROLLOUT_TRIGGER, Kind
from rollout.plan.model.plan import Plan
from rollout.ports import Router

_DEFINITIONS = {
    ROLLOUT_PLAN: "kubectl apply -f manifests/crd.yaml",
    ROLLOUT_TRIGGER: "kubectl apply -f manifests/crd-trigger.yaml",
}


class Cluster(Protocol):
    """The part of a cluster that is asked. All raise ClusterError."""

    def may(self, verb: str, group: str, resource: str, namespace: str, name: str) -> bool: ...
    def first(self, kind: Kind, namespace: str) -> Any: ...
    def every(self, kind: Kind, namespace: str) -> list[dict[str, Any]]: ...
    def get(self, kind: Kind, namespace: str, name: str) -> Any: ...


@dataclass(frozen=True)
class Tools:
    """What an examination looks through."""

    query: series.Query
    now: Callable[[], float]
    router: Router
    envoy: mesh.Envoy
    cluster: Callable[[], Cluster]  # raises InputError where there is none


def examine(
    plans: Sequence[Plan],
    namespace: str | None,
    journal: JournalLocation,
    tools: Tools,
    lease: str = "",
    *,
    triggers: bool = False,
) -> Iterator[Finding]:
    """Everything that the plans need, and with a namespace what `surefoot operate` needs there;
    with a lease, as one of several replicas. With a namespace alone, the plans are those of it.
    """
    yield of_journal(journal, carried_out=bool(namespace) and not plans)
    if namespace and not plans:
        plans, found = _declared(namespace, tools)
        yield from found
    for url in dict.fromkeys(plan.spec.prometheus.url for plan in plans):
        answers = series.answers(url, tools.query, tools.now)
        yield answers
        if answers.level != "fail":
            for plan in plans:
                if plan.spec.prometheus.url == url:
                    yield from series.of_plan(plan, tools.query)
    for plan in plans:
        yield from mesh.of_plan(plan, tools.router, tools.envoy)
    if namespace or any(plan.spec.route.envoy is None for plan in plans):
        yield from _cluster(plans, namespace, tools, lease, triggers=triggers)


def _declared(namespace: str, tools: Tools) -> tuple[Sequence[Plan], Sequence[Finding]]:
    """The namespace's own plans; none where it cannot be asked, which another check says."""
    try:
        return declared.read(namespace, tools.cluster().every(ROLLOUT_PLAN, namespace))
    except (InputError, ClusterError):
        return [], []


def _cluster(
    plans: Sequence[Plan], namespace: str | None, tools: Tools, lease: str, *, triggers: bool
) -> Iterator[Finding]:
    try:
        cluster = tools.cluster()

        def may(right: rights.Right) -> bool:
            place = right.namespace, right.name
            return cluster.may(right.verb, right.group, right.resource, *place)

        if namespace:
            for kind in [ROLLOUT_PLAN, *([ROLLOUT_TRIGGER] if triggers else [])]:
                yield _defined(cluster, kind, namespace)
            needed = rights.of_operating(namespace)
            needed += rights.of_lease(namespace, lease) if lease else []
            needed += rights.of_triggers(namespace) if triggers else []
            yield from rights.findings(namespace, needed, may)
            yield from rights.excess(namespace, may)
        for plan in plans:
            if needed := rights.of_route(plan):
                yield from rights.findings(plan.name, needed, may)
                yield from rights.watching(plan.name, rights.of_watching(plan), may)
            yield from mesh.of_objects(plan, cluster.get)
    except (InputError, ClusterError) as error:
        fix = "set KUBECONFIG or --context to a cluster that answers"
        yield Finding("cluster", namespace or "default", "fail", str(error), fix)


def _defined(cluster: Cluster, kind: Kind, namespace: str) -> Finding:
    """Whether the cluster knows a kind of ours, as far as we may see."""
    subject = f"{kind.plural}.{kind.group}"
    try:
        cluster.first(kind, namespace)
    except ClusterError as error:
        if error.status == 404:
            return Finding(
                "cluster", subject, "fail", "the cluster does not know it", _DEFINITIONS[kind]
            )
        if error.status == 403:
            return Finding("cluster", subject, "warn", "not allowed to look", "see the rights")
        raise
    return Finding("cluster", subject, "ok", f"{kind.version} is served")
