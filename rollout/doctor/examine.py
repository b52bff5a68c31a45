"""All checks, in the order in which their cures are best taken."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rollout.cluster.kinds import ROLLOUT_PLAN, ROLLOUT_TRIGGER, Kind
from rollout.decide.ramp import total_of
from rollout.doctor import declared, rights, series
from rollout.doctor.finding import Finding
from rollout.doctor.journal import of_journal
from rollout.errors import ClusterError, InputError, RouteError
from rollout.journal.place import Where
from rollout.plan.model import Plan
from rollout.ports import Router
from rollout.route.cluster.objects import DESTINATION_RULE
from rollout.route.create.creation import routes
from rollout.route.istio.destinations import lacking

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
    unknown: Callable[[Plan], str]  # clusters of a plan that its Envoy does not have
    cluster: Callable[[], Cluster]  # raises InputError where there is none


def examine(
    plans: Sequence[Plan],
    namespace: str | None,
    journal: Where,
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
        yield from _mesh(plan, tools)
    if namespace or any(plan.spec.route.envoy is None for plan in plans):
        yield from _cluster(plans, namespace, tools, lease, triggers=triggers)


def _declared(namespace: str, tools: Tools) -> tuple[Sequence[Plan], Sequence[Finding]]:
    """The namespace's own plans; none where it cannot be asked, which another check says."""
    try:
        return declared.read(namespace, tools.cluster().every(ROLLOUT_PLAN, namespace))
    except (InputError, ClusterError):
        return [], []


def _mesh(plan: Plan, tools: Tools) -> Iterator[Finding]:
    """Whether the mesh shows the plan's weights, and would take others."""
    try:
        seen = tools.router.read(plan, total_of(plan))
        unknown = tools.unknown(plan) if plan.spec.route.envoy else ""
    except RouteError as error:
        if error.absent and any(routes(plan)):
            yield Finding("mesh", plan.name, "ok", f"{error}; it is made before the first weight")
            return
        fix = "make the route as the plan names it, or name it in spec.route"
        yield Finding("mesh", plan.name, "fail", str(error), fix)
        return
    if unknown:
        fix = "define it in Envoy, or name both in spec.route.envoy.clusters"
        yield Finding("mesh", plan.name, "fail", f"Envoy has no cluster {unknown}", fix)
    elif plan.spec.route.envoy and not _replaceable(Path(plan.spec.route.envoy.file)):
        folder = Path(plan.spec.route.envoy.file).parent
        said = f"{plan.spec.route.envoy.file} cannot be replaced"
        yield Finding("mesh", plan.name, "fail", said, f"give write access to {folder}")
    else:
        yield Finding("mesh", plan.name, "ok", f"{seen.split.share * 100:.4g}% canary now")


def _replaceable(file: Path) -> bool:
    """A file is moved into its place: the folder's rights count."""
    return os.access(file.parent, os.W_OK | os.X_OK)


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
            yield from _subsets(plan, cluster)
    except (InputError, ClusterError) as error:
        fix = "set KUBECONFIG or --context to a cluster that answers"
        yield Finding("cluster", namespace or "default", "fail", str(error), fix)


def _subsets(plan: Plan, cluster: Cluster) -> Iterator[Finding]:
    """Whether the plan's DestinationRule defines both subsets: a mesh answers others with 503."""
    route = plan.spec.route.istio
    if route is None or route.destination_rule is None:
        return
    try:
        rule = cluster.get(DESTINATION_RULE, plan.metadata.namespace, route.destination_rule)
        said = lacking(rule, plan)
    except (ClusterError, RouteError) as error:
        if isinstance(error, ClusterError) and error.status not in {403, 404}:
            raise
        if isinstance(error, ClusterError) and error.status == 404 and route.create is not None:
            return  # it is made
        said = f"DestinationRule {route.destination_rule} cannot be read: {error}"
    if said:
        fix = "define the subset there before the rollout, or name the right rule in spec.route"
        yield Finding("mesh", plan.name, "fail", said, fix)
    else:
        yield Finding("mesh", plan.name, "ok", f"{route.destination_rule} defines both subsets")


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
