"""What a controller may do in a cluster: what it needs, and what it should not be given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rollout.doctor.finding import Finding
from rollout.kube.kinds import DEPLOYMENT, LEASE, ROLLOUT_PLAN, ROLLOUT_TRIGGER
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
        """The rule of a Role that grants it."""
        return (
            f'{{apiGroups: ["{self.group}"], resources: [{self.resource}], verbs: [{self.verb}]}}'
        )

    def __str__(self) -> str:
        where = f"in {self.namespace}" if self.namespace else "everywhere"
        return f"{self.verb} {self.resource} {self.name} {where}".replace("  ", " ")


May = Callable[[Right], bool]


def of_operating(namespace: str) -> list[Right]:
    """What `surefoot operate` needs for the plans themselves."""
    plans = ROLLOUT_PLAN
    reading = [Right(v, plans.group, plans.plural, namespace) for v in ("get", "list", "watch")]
    status = Right("patch", plans.group, f"{plans.plural}/status", namespace)
    return [*reading, status, Right("create", "", "events", namespace)]


def of_lease(namespace: str, lease: str) -> list[Right]:
    """What one of several replicas needs beside it; the lease is `NAME` or `NAMESPACE/NAME`."""
    place, _, name = lease.rpartition("/")
    where = LEASE.group, LEASE.plural, place or namespace
    return [Right("get", *where, name), Right("update", *where, name), Right("create", *where)]


def of_triggers(namespace: str) -> list[Right]:
    """What `surefoot operate --triggers` needs beside it."""
    triggers, deployments = ROLLOUT_TRIGGER, DEPLOYMENT
    read = [
        Right(verb, kind.group, kind.plural, namespace)
        for kind in (triggers, deployments)
        for verb in ("get", "list", "watch")
    ]
    status = Right("patch", triggers.group, f"{triggers.plural}/status", namespace)
    return [*read, status, Right("create", ROLLOUT_PLAN.group, ROLLOUT_PLAN.plural, namespace)]


def of_route(plan: Plan) -> list[Right]:
    """What moving a plan's weights needs; nothing where they are not in a cluster."""
    route, namespace = plan.spec.route, plan.metadata.namespace
    if route.envoy is not None:
        return []
    target = target_of(plan)
    group, plural = target.kind.group, target.kind.plural
    needed = [Right(v, group, plural, namespace, target.name) for v in ("get", "patch")]
    if route.istio is not None and route.istio.destination_rule is not None:
        rule, name = DESTINATION_RULE, route.istio.destination_rule
        needed.append(Right("get", rule.group, rule.plural, namespace, name))
    return list(dict.fromkeys([*needed, *_of_policy(plan), *of_creation(plan)]))


def of_creation(plan: Plan) -> Iterator[Right]:
    """What making a plan's routes needs; no Role can name what is not there yet."""
    for each in wanted(plan):
        kind, namespace = each.kind, plan.metadata.namespace
        yield Right("create", kind.group, kind.plural, namespace)
        yield Right("patch", kind.group, kind.plural, namespace, each.name)


def _of_policy(plan: Plan) -> Iterator[Right]:
    """What a plan's policy needs beside its weights."""
    if plan.spec.policy is None:
        return
    for part in parts(plan):
        for verb in ("get", "patch"):
            kind = part.kind
            yield Right(verb, kind.group, kind.plural, plan.metadata.namespace, part.name)


def of_watching(plan: Plan) -> list[Right]:
    """What spares a request at every look; a Role that names single objects cannot grant it."""
    if plan.spec.route.envoy is not None:
        return []
    kind = target_of(plan).kind
    verbs = ("list", "watch")
    return [Right(verb, kind.group, kind.plural, plan.metadata.namespace) for verb in verbs]


def watching(subject: str, wanted: list[Right], may: May) -> Iterator[Finding]:
    """One finding for each right without which looks cost requests."""
    for right in wanted:
        if not may(right):
            said = f"may not {right}: each look asks the API server"
            yield Finding("rights", subject, "warn", said, f"a Role with {right.rule}")


def findings(subject: str, needed: list[Right], may: May) -> Iterator[Finding]:
    """One finding for all rights that are there, and one for each that is missing."""
    missing = [right for right in needed if not may(right)]
    if not missing:
        yield Finding("rights", subject, "ok", f"all {len(needed)} that are needed")
    for right in missing:
        yield Finding("rights", subject, "fail", f"may not {right}", f"a Role with {right.rule}")


def excess(namespace: str, may: May) -> Iterator[Finding]:
    """Rights that no controller needs."""
    for right in (Right("get", "", "secrets", namespace), Right("create", "", "pods", namespace)):
        if may(right):
            fix = "give it the Role of manifests/base and no other"
            yield Finding("rights", namespace or "cluster", "warn", f"may {right}: not needed", fix)
