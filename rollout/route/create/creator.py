"""Routing objects that are missing are made before the first weight is written there."""

from __future__ import annotations

from collections.abc import Iterable

from rollout.decide.record.split import Split
from rollout.errors import ClusterError, RouteError
from rollout.plan.model.plan import Plan
from rollout.ports import Router, RouteStatus, Watcher
from rollout.route.create.creation import Wanted, grown, is_ours, routes, wanted
from rollout.route.istio.destinations import lacking
from rollout.route.kube.objects import DESTINATION_RULE, Applied, as_route_error
from rollout.route.manifest import Json

_ATTEMPTS = 3
_CONFLICT = 409


class WithCreation:
    """The `Router` port of a cluster, which makes what a plan with `create` lacks.

    What is there is used as it is, whoever made it. Nothing is deleted: without the route all
    versions behind the Service would get traffic. A person's `surefoot remove` does that.
    """

    def __init__(self, inner: Router, objects: Applied) -> None:
        self._inner, self._objects = inner, objects

    def write(self, plan: Plan, split: Split, mark: str) -> None:
        """See rollout.ports.Router. On the way back nothing is asked before the weights."""
        if split.canary:
            self._make(plan, wanted(plan))
        try:
            self._inner.write(plan, split, mark)
        except RouteError as error:
            if split.canary or not error.absent or not any(routes(plan)):
                raise
            self._make(plan, routes(plan))  # stable has all traffic only where a route says so
            self._inner.write(plan, split, mark)

    def read(self, plan: Plan, total: int) -> RouteStatus:
        """See rollout.ports.Router: what is not there is not shown as a weight of zero."""
        return self._inner.read(plan, total)

    def glance(self, plan: Plan, total: int) -> RouteStatus | None:
        """See rollout.ports.Watcher."""
        return self._inner.glance(plan, total) if isinstance(self._inner, Watcher) else None

    def diagnose(self, plan: Plan) -> str:
        """See rollout.ports.Router."""
        return self._inner.diagnose(plan)

    def _make(self, plan: Plan, objects: Iterable[Wanted]) -> None:
        """Make what is missing. Raises RouteError."""
        for each in objects:
            live = self._ensured(plan, each)
            if each.kind == DESTINATION_RULE and (problem := lacking(live, plan)):
                if not is_ours(live, plan):
                    raise RouteError(problem, refused=True)
                self._grow(plan, each, live)

    def _ensured(self, plan: Plan, each: Wanted) -> Json:
        """The object, there before or made now; who was faster made the one that is used."""
        for _ in range(_ATTEMPTS):
            try:
                return self._objects.get(each.kind, plan.metadata.namespace, each.name)
            except ClusterError as error:
                missing = as_route_error(error, "get", each.kind, plan, each.name)
            if not missing.absent:
                raise missing
            try:
                self._objects.apply(each.kind, plan.metadata.namespace, each.body)
            except ClusterError as error:
                if error.status != _CONFLICT:
                    raise _refused(error, plan, each) from None
        raise missing

    def _grow(self, plan: Plan, each: Wanted, live: Json) -> None:
        try:
            self._objects.apply(each.kind, plan.metadata.namespace, grown(live, each))
        except ClusterError as error:
            raise _refused(error, plan, each) from None


def _refused(error: ClusterError, plan: Plan, each: Wanted) -> RouteError:
    """An apply that makes something is both verbs; API servers name only the first, if it lacks."""
    verb = "patch" if "cannot patch" in str(error) else "create"
    return as_route_error(error, verb, each.kind, plan, each.name)
