"""Run all checks, in the order in which a user best fixes what they find.

The journal comes first, then Prometheus and the series, then the mesh, then the cluster and the
rights of the controller in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol

from rollout.doctor import declared, mesh, pods, replicas, rights, secrets, series, setups
from rollout.doctor.finding import Finding
from rollout.doctor.journal import has_decision, of_journal
from rollout.doctor.key import of_key
from rollout.doctor.probe import segments
from rollout.doctor.probe.missing import Query
from rollout.errors import ClusterError, InputError
from rollout.journal.location import JournalLocation
from rollout.kube.kinds import METRIC_TEMPLATE, ROLLOUT_PLAN, ROLLOUT_TRIGGER, Json, Kind
from rollout.kube.templates import TemplateReader
from rollout.observe.selectors.source import list_servers, source_of
from rollout.observe.survey import Read
from rollout.plan.model.plan import Plan
from rollout.plan.model.prometheus import PrometheusServer
from rollout.ports import Router
from rollout.redact import redact_values

_DEFINITIONS = {
    ROLLOUT_PLAN: "kubectl apply -f manifests/crd.yaml",
    ROLLOUT_TRIGGER: "kubectl apply -f manifests/crd-trigger.yaml",
}


class ClusterAccess(Protocol):
    """The calls to the Kubernetes API that the checks make. All raise ClusterError."""

    def may(self, verb: str, group: str, resource: str, namespace: str, name: str) -> bool: ...
    def first(self, kind: Kind, namespace: str) -> Any: ...
    def every(self, kind: Kind, namespace: str) -> list[dict[str, Any]]: ...
    def get(self, kind: Kind, namespace: str, name: str) -> Any: ...


@dataclass(frozen=True)
class Tools:
    """The connections that the checks use; tests put fakes in their place."""

    query: Query
    now: Callable[[], float]
    router: Router
    envoy: mesh.EnvoyAdmin
    cluster: Callable[[], ClusterAccess]  # raises InputError where there is none
    read: Read
    apply: Callable[[Sequence[Plan]], Sequence[Plan]] = lambda plans: plans
    permit: Callable[[Plan], None] = lambda _plan: None  # raises InputError
    exposed: Callable[[PrometheusServer], Iterable[str]] = lambda _server: ()


def examine(
    plans: Sequence[Plan],
    namespace: str | None,
    journal: JournalLocation,
    tools: Tools,
    lease: str = "",
    *,
    triggers: bool = False,
    key_file: Path | None = None,
) -> Iterator[Finding]:
    """Yield the findings on everything that the plans need.

    With a namespace, also check what `surefoot operate` needs there; with a lease, what one of
    several replicas needs. With a namespace and no plans, check the plans declared in it.
    Passwords of URLs are hidden in every finding.
    """
    # Plans declared in the namespace are run by a controller already, which holds the journal.
    yield redact_values(of_journal(journal, carried_out=bool(namespace) and not plans))
    yield from map(redact_values, of_key(journal, key_file, lease))
    findings = _examine_all(plans, namespace, journal, tools, lease, triggers=triggers)
    yield from map(redact_values, findings)


def _examine_all(
    plans: Sequence[Plan],
    namespace: str | None,
    journal: JournalLocation,
    tools: Tools,
    lease: str,
    *,
    triggers: bool,
) -> Iterator[Finding]:
    if namespace and not plans:
        plans, findings = _read_declared_plans(namespace, tools)
        yield from findings
    for plan in plans:
        yield from secrets.of_plan(plan)
    plans = tools.apply(plans)
    for plan in plans:
        yield from _check_permitted(plan, tools)
    for server in dict.fromkeys(server for plan in plans for server in list_servers(plan)):
        yield from secrets.of_server(server, tools.exposed(server))
        answers = series.answers(server, tools.query, tools.now)
        yield answers
        # Without an answer every series would fail for the same reason: one finding is enough.
        if answers.level != "fail":
            asked = [own for plan in plans if (own := _read_at(plan, server))]
            yield from replicas.of_server(asked[0], tools.read, tools.now())
            for plan in asked:
                yield from series.of_plan(plan, tools.query)
                yield from segments.of_plan(plan, tools.query)
                yield from pods.of_plan(plan, tools.query)
                yield from setups.of_plan(plan, tools.read, tools.now())
    for plan in plans:
        recorded = partial(has_decision, journal)
        yield from mesh.of_plan(plan, tools.router, tools.envoy, recorded)
    if namespace or any(plan.spec.route.envoy is None for plan in plans):
        yield from _check_cluster(plans, namespace, tools, lease, triggers=triggers)


def _read_at(plan: Plan, server: PrometheusServer) -> Plan | None:
    """Return a plan with only the guardrails that are read at a server; None without any."""
    own = [g for g in plan.spec.guardrails if source_of(plan, g).server == server]
    spec = plan.spec.model_copy(update={"guardrails": own})
    return plan.model_copy(update={"spec": spec}) if own else None


def _read_declared_plans(namespace: str, tools: Tools) -> tuple[Sequence[Plan], Sequence[Finding]]:
    """Read the plans that the namespace declares, and the findings on them.

    Return nothing when the cluster does not answer: `_check_cluster` reports that.
    """
    try:
        cluster = tools.cluster()
        resources = cluster.every(ROLLOUT_PLAN, namespace)
        templates = TemplateReader(_ListOnce(cluster, METRIC_TEMPLATE, namespace))
        return declared.read(namespace, resources, templates)
    except (InputError, ClusterError):
        return [], []


@dataclass(frozen=True)
class _ListOnce:
    """The resources of a kind in a namespace, as the cluster has them when they are asked for."""

    cluster: ClusterAccess
    kind: Kind
    namespace: str

    def list(self) -> Sequence[Json] | None:
        """Return them; None where the cluster refuses to list them or does not serve the kind."""
        return self._listed

    @cached_property
    def _listed(self) -> Sequence[Json] | None:
        try:
            return self.cluster.every(self.kind, self.namespace)
        except ClusterError:
            return None


def _check_cluster(
    plans: Sequence[Plan], namespace: str | None, tools: Tools, lease: str, *, triggers: bool
) -> Iterator[Finding]:
    """Check the kinds, the rights and the routing objects in the cluster."""
    try:
        cluster = tools.cluster()

        def may(right: rights.Right) -> bool:
            target = right.namespace, right.name
            return cluster.may(right.verb, right.group, right.resource, *target)

        if namespace:
            for kind in [ROLLOUT_PLAN, *([ROLLOUT_TRIGGER] if triggers else [])]:
                yield _check_definition(cluster, kind, namespace)
            needed = rights.of_operating(namespace)
            needed += rights.of_lease(namespace, lease) if lease else []
            needed += rights.of_triggers(namespace) if triggers else []
            yield from rights.findings(namespace, needed, may)
            yield from rights.excess(namespace, may)
        for plan in plans:
            if needed := rights.of_route(plan):
                yield from rights.findings(plan.name, needed, may)
                yield from rights.watching(plan.name, rights.of_watching(plan), may)
                yield from rights.asking(plan.name, rights.of_endpoints(plan), may)
            yield from mesh.of_objects(plan, cluster.get)
    except (InputError, ClusterError) as error:
        fix = "set KUBECONFIG or --context to a reachable cluster"
        yield Finding("cluster", namespace or "default", "fail", str(error), fix)


def _check_permitted(plan: Plan, tools: Tools) -> Iterator[Finding]:
    """Yield a failure for a plan that a controller with the same list would not take up."""
    try:
        tools.permit(plan)
    except InputError as error:
        fix = "name another one, or have it added to the file of --allow"
        yield Finding("plan", plan.name, "fail", str(error), fix)


def _check_definition(cluster: ClusterAccess, kind: Kind, namespace: str) -> Finding:
    """Check that the cluster serves one of our custom resource kinds.

    The check lists the kind instead of reading its CustomResourceDefinition, because the
    controller has no right to read definitions.
    """
    subject = f"{kind.plural}.{kind.group}"
    try:
        cluster.first(kind, namespace)
    except ClusterError as error:
        if error.status == 404:
            return Finding(
                "cluster", subject, "fail", "the cluster does not serve it", _DEFINITIONS[kind]
            )
        if error.status == 403:
            return Finding(
                "cluster", subject, "warn", "not allowed to list it", "see the findings on rights"
            )
        raise
    return Finding("cluster", subject, "ok", f"{kind.version} is served")
