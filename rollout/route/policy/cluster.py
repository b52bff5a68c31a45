"""A plan's policy in a cluster's own objects: patched at the version read, and read back."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rollout.errors import ClusterError, RouteError
from rollout.kube.kinds import Kind
from rollout.plan.model.plan import Plan
from rollout.plan.model.policy import Policy
from rollout.route.istio.destinations import lacking
from rollout.route.kube.object_annotations import POLICY, difference, note, noted
from rollout.route.kube.objects import (
    DESTINATION_RULE,
    PEER_AUTHENTICATION,
    VIRTUAL_SERVICE,
    Objects,
    as_route_error,
    at_version,
)
from rollout.route.manifest import Json
from rollout.route.policy import istio as fields
from rollout.route.policy.owned import Roots, Wanted, differing, own, read_kept

_ATTEMPTS = 5


@dataclass(frozen=True)
class Part:
    """One object that holds some of a policy: where its fields are, and which are wanted."""

    kind: Kind
    name: str
    roots: Callable[[Json], Roots]
    wanted: Callable[[Json, Policy], Wanted]
    problem: Callable[[Json, Policy], str] = lambda _live, _policy: ""

    def patch(self, live: Json, plan: Plan, policy: Policy | None) -> Json:
        """The smallest merge patch to this policy; empty if all is there."""
        return difference(live, self.settled(live, plan, policy))

    def settled(self, live: Json, plan: Plan, policy: Policy | None) -> Json:
        """The object at this policy; None: with what was there before it."""
        made, key = copy.deepcopy(live), POLICY + plan.spec.service
        wanted = {} if policy is None else self.wanted(live, policy)
        adopt = plan.spec.on_drift == "adopt"
        kept = own(self.roots(made), read_kept(noted(live, key)), wanted, adopt=adopt)
        note(made, key, kept.text())
        if not made.get("spec") and "spec" not in live:
            made.pop("spec", None)
        return made

    def differs(self, live: Json, policy: Policy) -> str:
        """Where the object is not at this policy, in words."""
        return "; ".join(differing(self.roots(copy.deepcopy(live)), self.wanted(live, policy)))


def parts(plan: Plan) -> Iterator[Part]:
    """The objects that may hold a plan's policy: only Istio has such."""
    route, policy = plan.spec.route.istio, plan.spec.policy
    if route is None:
        return
    if route.destination_rule is not None:

        def problem(rule: Json, policy: Policy) -> str:
            wins = fields.overruled(rule, plan, fields.rule_fields(policy))
            return lacking(rule, plan) or "; ".join(wins)

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
        fields.route_roots,
        lambda live, policy: fields.route_fields(live, plan, policy),
    )


class ClusterPolicyStore:
    """The `Keeper` of plans with `spec.route.istio`; of others there is nothing to keep."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def settle(self, plan: Plan, policy: Policy | None) -> None:
        """See rollout.route.policy.router.Keeper."""
        if policy is not None:  # what one object refuses, is written to none
            for part in parts(plan):
                self._takes(part, self._get(part, plan, policy), policy)
        for part in parts(plan):
            self._settle(part, plan, policy)

    def differs(self, plan: Plan, policy: Policy | None) -> str:
        """See rollout.route.policy.router.Keeper."""
        found = (self._differs(part, plan, policy) for part in parts(plan))
        return "; ".join(filter(None, found))

    def _differs(self, part: Part, plan: Plan, policy: Policy | None) -> str:
        live = self._get(part, plan, policy)
        if policy is None:
            left = noted(live, POLICY + plan.spec.service)
            said = "still has the policy of this plan" if left else ""
        else:
            said = part.differs(live, policy)
        return f"{part.kind.name} {part.name}: {said}" if said else ""

    def _settle(self, part: Part, plan: Plan, policy: Policy | None) -> None:
        for _ in range(_ATTEMPTS):
            live = self._get(part, plan, policy)
            if policy is not None:
                self._takes(part, live, policy)
            body = part.patch(live, plan, policy)
            if not body:
                return
            try:
                place = part.kind, plan.metadata.namespace, part.name
                taken = self._objects.patch(*place, at_version(body, live))
            except ClusterError as error:
                if error.status == _CONFLICT:
                    continue
                raise as_route_error(error, "patch", part.kind, plan, part.name) from None
            if part.patch(taken, plan, policy):
                lost = "" if policy is None else part.differs(taken, policy)
                said = _prefixed(part, f"the cluster did not keep all: {lost}")
                raise RouteError(said, refused=True)
            return
        raise RouteError(_prefixed(part, "keeps changing"))

    @staticmethod
    def _takes(part: Part, live: Json, policy: Policy) -> None:
        if problem := part.problem(live, policy):
            raise RouteError(_prefixed(part, problem), refused=True)

    def _get(self, part: Part, plan: Plan, policy: Policy | None) -> Json:
        """The object; an empty one where it is gone and only had to be left as it was."""
        try:
            return self._objects.get(part.kind, plan.metadata.namespace, part.name)
        except ClusterError as error:
            if policy is None and error.status == _NOT_FOUND:
                return {}
            raise as_route_error(error, "get", part.kind, plan, part.name) from None


_CONFLICT, _NOT_FOUND = 409, 404


def _prefixed(part: Part, said: str) -> str:
    return said if said.startswith(part.kind.name) else f"{part.kind.name} {part.name}: {said}"
