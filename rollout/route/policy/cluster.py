"""Store a plan's policy in a cluster's objects: patch at the version read, and read back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rollout.answers.json_text import copy_json
from rollout.errors import ClusterError, RouteError
from rollout.kube.kinds import Kind
from rollout.plan.model.mesh.policy import Policy
from rollout.plan.model.plan import Plan
from rollout.route.istio.destinations import explain_missing_subset
from rollout.route.kube.object_annotations import POLICY, difference, note, read_annotation
from rollout.route.kube.objects import (
    DESTINATION_RULE,
    PEER_AUTHENTICATION,
    VIRTUAL_SERVICE,
    Objects,
    as_route_error,
    at_version,
)
from rollout.route.kube.shapes import settle_object
from rollout.route.manifest import Json
from rollout.route.policy import istio as fields
from rollout.route.policy.owned import Roots, Wanted, apply_fields, differing, parse_ownership

_ATTEMPTS = 5


@dataclass(frozen=True)
class Part:
    """One object that holds some of a policy: where its fields are, and which are wanted.

    `problem` says why the policy would have no effect in this object; empty if it would.
    `find_root` finds a recorded place again, which may have moved within the object.
    """

    kind: Kind
    name: str
    roots: Callable[[Json], Roots]
    wanted: Callable[[Json, Policy], Wanted]
    problem: Callable[[Json, Policy], str] = lambda _live, _policy: ""
    find_root: Callable[[str, Roots], str] = lambda recorded, _roots: recorded

    def patch(self, live: Json, plan: Plan, policy: Policy | None) -> Json:
        """Return the smallest merge patch to this policy; empty if nothing is missing."""
        return difference(live, self.settled(live, plan, policy))

    def settled(self, live: Json, plan: Plan, policy: Policy | None) -> Json:
        """Return the object at this policy; with None, as it was before the policy."""
        updated, key = copy_json(live), POLICY + plan.spec.service
        wanted = {} if policy is None else self.wanted(live, policy)
        adopt = plan.spec.on_drift == "adopt"
        roots = self.roots(updated)
        recorded = parse_ownership(read_annotation(live, key))
        previous = recorded.relocated(lambda root: self.find_root(root, roots))
        ownership = apply_fields(roots, previous, wanted, adopt=adopt)
        note(updated, key, ownership.text())
        # The roots functions create an empty `spec`; an object that had none must not get one.
        if not updated.get("spec") and "spec" not in live:
            updated.pop("spec", None)
        return updated

    def difference(self, live: Json, policy: Policy) -> str:
        """Describe where the object is not at this policy."""
        return "; ".join(differing(self.roots(copy_json(live)), self.wanted(live, policy)))


def parts(plan: Plan) -> Iterator[Part]:
    """Yield the objects that may hold a plan's policy; only Istio has such objects.

    The VirtualService comes last: `remove` goes through them in reverse, and routes must go first.
    """
    route, policy = plan.spec.route.istio, plan.spec.policy
    if route is None:
        return
    if route.destination_rule is not None:

        def problem(rule: Json, policy: Policy) -> str:
            wins = fields.overruled(rule, plan, fields.rule_fields(policy))
            return explain_missing_subset(rule, plan) or "; ".join(wins)

        yield Part(
            DESTINATION_RULE,
            route.destination_rule,
            fields.rule_roots,
            lambda _live, policy: fields.rule_fields(policy),
            problem,
        )
    if policy is not None and policy.mtls is not None and policy.mtls.peer_authentication:
        yield Part(
            PEER_AUTHENTICATION,
            policy.mtls.peer_authentication,
            fields.pods_roots,
            lambda _live, policy: fields.pods_fields(policy),
        )
    yield Part(
        VIRTUAL_SERVICE,
        route.virtual_service,
        lambda live: fields.route_roots(live, plan),
        lambda live, policy: fields.route_fields(live, plan, policy),
        find_root=fields.find_root,
    )


class ClusterPolicyStore:
    """The `PolicyStore` of plans with `spec.route.istio`.

    For other routes it does nothing: there is no object to write to.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def apply(self, plan: Plan, policy: Policy | None) -> None:
        """See rollout.route.policy.store.PolicyStore."""
        if policy is not None:
            # All objects are checked before the first is written: a refusal changes nothing.
            for policy_object in parts(plan):
                self._check_effective(policy_object, self._get(policy_object, plan, policy), policy)
        for policy_object in parts(plan):
            self._apply_to_object(policy_object, plan, policy)

    def difference(self, plan: Plan, policy: Policy | None) -> str:
        """See rollout.route.policy.store.PolicyStore."""
        differences = (
            self._describe_difference(policy_object, plan, policy) for policy_object in parts(plan)
        )
        return "; ".join(filter(None, differences))

    def _describe_difference(self, policy_object: Part, plan: Plan, policy: Policy | None) -> str:
        live = self._get(policy_object, plan, policy)
        if policy is None:
            left = read_annotation(live, POLICY + plan.spec.service)
            difference_text = "still has the policy of this plan" if left else ""
        else:
            difference_text = policy_object.difference(live, policy)
        name = f"{policy_object.kind.name} {policy_object.name}"
        return f"{name}: {difference_text}" if difference_text else ""

    def _apply_to_object(self, policy_object: Part, plan: Plan, policy: Policy | None) -> None:
        """Patch one object to the policy, and check the object that the API server returns.

        An API server or webhook may drop or change fields without an error. Raises RouteError.
        """
        for _ in range(_ATTEMPTS):
            live = self._get(policy_object, plan, policy)
            if policy is not None:
                self._check_effective(policy_object, live, policy)
            body = policy_object.patch(live, plan, policy)
            if not body:
                return
            try:
                address = policy_object.kind, plan.metadata.namespace, policy_object.name
                patched = self._objects.patch(*address, at_version(body, live))
            except ClusterError as error:
                if error.status == _CONFLICT:
                    continue
                raise as_route_error(
                    error, "patch", policy_object.kind, plan, policy_object.name
                ) from None
            if policy_object.patch(patched, plan, policy):
                lost = "" if policy is None else policy_object.difference(patched, policy)
                message = _add_prefix(policy_object, f"the cluster did not keep all: {lost}")
                raise RouteError(message, refused=True)
            return
        raise RouteError(_add_prefix(policy_object, "keeps changing"))

    @staticmethod
    def _check_effective(policy_object: Part, live: Json, policy: Policy) -> None:
        """Raise RouteError if the policy would have no effect in this object."""
        if problem := policy_object.problem(live, policy):
            raise RouteError(_add_prefix(policy_object, problem), refused=True)

    def _get(self, policy_object: Part, plan: Plan, policy: Policy | None) -> Json:
        """Return the object; an empty one if it is gone and only had to be restored.

        Raises RouteError.
        """
        try:
            live = self._objects.get(
                policy_object.kind, plan.metadata.namespace, policy_object.name
            )
            return settle_object(policy_object.kind, live)
        except ClusterError as error:
            if policy is None and error.status == _NOT_FOUND:
                return {}
            raise as_route_error(
                error, "get", policy_object.kind, plan, policy_object.name
            ) from None


_CONFLICT, _NOT_FOUND = 409, 404


def _add_prefix(policy_object: Part, message: str) -> str:
    """Return the message with the object's name in front, unless it starts with its kind."""
    if message.startswith(policy_object.kind.name):
        return message
    return f"{policy_object.kind.name} {policy_object.name}: {message}"
