"""List the Kubernetes rights that a controller needs, and check which it has.

Rights that no controller needs are reported too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rollout.doctor.finding import Finding
from rollout.kube.kinds import DEPLOYMENT, LEASE, METRIC_TEMPLATE, ROLLOUT_PLAN, ROLLOUT_TRIGGER
from rollout.plan.model.plan import Plan
from rollout.route.create.creation import wanted
from rollout.route.kube.objects import DESTINATION_RULE, target_of
from rollout.route.policy.cluster import parts


@dataclass(frozen=True)
class Right:
    """One verb on one resource (`plural` or `plural/subresource`) of a namespace (empty: all)."""

    verb: str
    group: str
    resource: str
    namespace: str
    name: str = ""

    @property
    def rule(self) -> str:
        """The rule of a Role that grants this right, in YAML."""
        return (
            f'{{apiGroups: ["{self.group}"], resources: [{self.resource}], verbs: [{self.verb}]}}'
        )

    def __str__(self) -> str:
        where = f"in {self.namespace}" if self.namespace else "everywhere"
        return f"{self.verb} {self.resource} {self.name} {where}".replace("  ", " ")


May = Callable[[Right], bool]


def of_operating(namespace: str) -> list[Right]:
    """List the rights that `surefoot operate` needs on the plans themselves."""
    plans = ROLLOUT_PLAN
    reading = [Right(v, plans.group, plans.plural, namespace) for v in ("get", "list", "watch")]
    status = Right("patch", plans.group, f"{plans.plural}/status", namespace)
    return [*reading, status, Right("create", "", "events", namespace)]


def of_templates(namespace: str) -> list[Right]:
    """List the further rights where plans name metric templates of their namespace."""
    kind = METRIC_TEMPLATE
    return [Right(verb, kind.group, kind.plural, namespace) for verb in ("list", "watch")]


def of_lease(namespace: str, lease: str) -> list[Right]:
    """List the further rights of one of several replicas.

    The lease is `NAME` or `NAMESPACE/NAME`. A Role cannot restrict `create` to a name, so that
    right has none.
    """
    lease_namespace, _, name = lease.rpartition("/")
    where = LEASE.group, LEASE.plural, lease_namespace or namespace
    return [Right("get", *where, name), Right("update", *where, name), Right("create", *where)]


def of_triggers(namespace: str) -> list[Right]:
    """List the further rights that `surefoot operate --triggers` needs."""
    triggers, deployments = ROLLOUT_TRIGGER, DEPLOYMENT
    read = [
        Right(verb, kind.group, kind.plural, namespace)
        for kind in (triggers, deployments)
        for verb in ("get", "list", "watch")
    ]
    status = Right("patch", triggers.group, f"{triggers.plural}/status", namespace)
    return [*read, status, Right("create", ROLLOUT_PLAN.group, ROLLOUT_PLAN.plural, namespace)]


def of_route(plan: Plan) -> list[Right]:
    """List the rights that moving a plan's weights needs.

    A plan with a local Envoy writes its weights to a file and needs none.
    """
    route, namespace = plan.spec.route, plan.metadata.namespace
    if route.envoy is not None:
        return []
    target = target_of(plan)
    group, plural = target.kind.group, target.kind.plural
    verbs = ("get",) if plan.spec.authority == "observe" else ("get", "patch")
    needed = [Right(v, group, plural, namespace, target.name) for v in verbs]
    if route.istio is not None and route.istio.destination_rule is not None:
        rule, name = DESTINATION_RULE, route.istio.destination_rule
        needed.append(Right("get", rule.group, rule.plural, namespace, name))
    # The same object can carry the weights and the policy: name each right once, in order.
    return list(dict.fromkeys([*needed, *_list_policy_rights(plan), *of_creation(plan)]))


def of_creation(plan: Plan) -> Iterator[Right]:
    """List the rights that creating a plan's routing objects needs.

    `create` has no object name, because a Role cannot restrict it to one.
    """
    for manifest in wanted(plan):
        kind, namespace = manifest.kind, plan.metadata.namespace
        yield Right("create", kind.group, kind.plural, namespace)
        yield Right("patch", kind.group, kind.plural, namespace, manifest.name)


def _list_policy_rights(plan: Plan) -> Iterator[Right]:
    """List the further rights that a plan's traffic policy needs."""
    if plan.spec.policy is None:
        return
    for target in parts(plan):
        for verb in ("get",) if plan.spec.authority == "observe" else ("get", "patch"):
            kind = target.kind
            yield Right(verb, kind.group, kind.plural, plan.metadata.namespace, target.name)


def of_watching(plan: Plan) -> list[Right]:
    """List the rights that let the controller watch the route instead of reading it at each look.

    `list` and `watch` cover the whole kind: a Role that names single objects cannot grant them.
    """
    if plan.spec.route.envoy is not None:
        return []
    kind = target_of(plan).kind
    verbs = ("list", "watch")
    return [Right(verb, kind.group, kind.plural, plan.metadata.namespace) for verb in verbs]


def of_endpoints(plan: Plan) -> list[Right]:
    """List the rights that let the first weight wait for the canary's endpoints.

    They are of the namespace's Services: manifests/components/endpoints grants them.
    """
    route, namespace = plan.spec.route, plan.metadata.namespace
    if route.envoy is not None or not plan.spec.waits_for_endpoints:
        return []
    services = Right("get", "", "services", namespace)
    if route.istio is not None and route.istio.hosts is None:
        return [Right("list", "", "pods", namespace), services]
    return [Right("list", "discovery.k8s.io", "endpointslices", namespace), services]


def asking(subject: str, wanted: list[Right], may: May) -> Iterator[Finding]:
    """Warn of each missing right without which the first weight waits for no endpoint."""
    for right in wanted:
        if not may(right):
            message = f"may not {right}: unknown whether the canary has endpoints"
            fix = f"add manifests/components/endpoints, or a Role with {right.rule}"
            yield Finding("rights", subject, "warn", message, fix)


def watching(subject: str, wanted: list[Right], may: May) -> Iterator[Finding]:
    """Warn of each missing right without which every look asks the API server."""
    for right in wanted:
        if not may(right):
            message = f"may not {right}: every look asks the API server instead of a watch"
            yield Finding("rights", subject, "warn", message, f"grant a Role with {right.rule}")


def findings(subject: str, needed: list[Right], may: May) -> Iterator[Finding]:
    """Report each missing right, or once that none is missing."""
    missing = [right for right in needed if not may(right)]
    if not missing:
        yield Finding("rights", subject, "ok", f"all {len(needed)} needed rights are granted")
    for right in missing:
        yield Finding(
            "rights", subject, "fail", f"may not {right}", f"grant a Role with {right.rule}"
        )


def excess(namespace: str, may: May) -> Iterator[Finding]:
    """Warn of rights that no controller needs, as signs of a Role that is too wide."""
    for right in (Right("get", "", "secrets", namespace), Right("create", "", "pods", namespace)):
        if may(right):
            fix = "grant only the Role of manifests/base"
            yield Finding(
                "rights",
                namespace or "cluster",
                "warn",
                f"may {right}, which no controller needs",
                fix,
            )
