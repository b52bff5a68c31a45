"""Create missing routing objects before the first weight is written to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rollout.decide.record.split import Split
from rollout.errors import ClusterError, RouteError
from rollout.plan.model.plan import Plan
from rollout.ports import Router, RouteStatus, Watcher
from rollout.route.create.creation import Wanted, grown, is_ours, routes, wanted
from rollout.route.istio.destinations import explain_missing_subset
from rollout.route.kube.objects import DESTINATION_RULE, Applied, as_route_error
from rollout.route.manifest import Json

_ATTEMPTS = 3
# Seconds from a subset to the first route to it. A proxy that hears of both at once answers 503
# until it knows the subset's endpoints; istiod needs half a second to tell it.
_UNTIL_PROXIES_KNOW = 1.0
_CONFLICT = 409


class WithCreation:
    """The `Router` port of a cluster that creates what a plan with `create` lacks.

    An object that exists is used as it is, whoever created it. Nothing is deleted: without the
    route all versions behind the Service would get traffic. `surefoot remove` deletes, at a user's
    request.
    """

    def __init__(
        self,
        inner: Router,
        objects: Applied,
        pause: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        self._inner, self._objects, self._pause = inner, objects, pause

    def write(self, plan: Plan, split: Split, mark: str) -> None:
        """See rollout.ports.Router.

        On the way back the weights are written first: nothing may delay a rollback.
        """
        if split.canary:
            self._create_missing(plan, wanted(plan))
        try:
            self._inner.write(plan, split, mark)
        except RouteError as error:
            if split.canary or not error.absent or not any(routes(plan)):
                raise
            # Without a route the Service spreads requests over all versions, so stable has all
            # traffic only once the route exists.
            self._create_missing(plan, routes(plan))
            self._inner.write(plan, split, mark)

    def read(self, plan: Plan, total: int) -> RouteStatus:
        """See rollout.ports.Router. A missing object is an error, and not a weight of zero."""
        return self._inner.read(plan, total)

    def cached(self, plan: Plan, total: int) -> RouteStatus | None:
        """See rollout.ports.Watcher."""
        return self._inner.cached(plan, total) if isinstance(self._inner, Watcher) else None

    def diagnose(self, plan: Plan) -> str:
        """See rollout.ports.Router."""
        return self._inner.diagnose(plan)

    def _create_missing(self, plan: Plan, objects: Iterable[Wanted]) -> None:
        """Create what is missing, and add missing subsets to a DestinationRule of ours.

        Raises RouteError, also for a rule of others that lacks a subset.
        """
        for wanted_object in objects:
            live = self._ensure(plan, wanted_object)
            if wanted_object.kind == DESTINATION_RULE and (
                problem := explain_missing_subset(live, plan)
            ):
                if not is_ours(live, plan):
                    raise RouteError(problem, refused=True)
                self._add_subsets(plan, wanted_object, live)

    def _ensure(self, plan: Plan, wanted_object: Wanted) -> Json:
        """Return the object, creating it if it is missing. Raises RouteError.

        If somebody else creates it first, our apply conflicts and theirs is used.
        """
        for _ in range(_ATTEMPTS):
            try:
                return self._objects.get(
                    wanted_object.kind, plan.metadata.namespace, wanted_object.name
                )
            except ClusterError as error:
                missing = as_route_error(error, "get", wanted_object.kind, plan, wanted_object.name)
            if not missing.absent:
                raise missing
            try:
                self._objects.apply(wanted_object.kind, plan.metadata.namespace, wanted_object.body)
            except ClusterError as error:
                if error.status != _CONFLICT:
                    raise _as_refusal(error, plan, wanted_object) from None
            if wanted_object.kind == DESTINATION_RULE:
                self._pause(_UNTIL_PROXIES_KNOW)
        raise missing

    def _add_subsets(self, plan: Plan, wanted_object: Wanted, live: Json) -> None:
        try:
            self._objects.apply(
                wanted_object.kind, plan.metadata.namespace, grown(live, wanted_object)
            )
        except ClusterError as error:
            raise _as_refusal(error, plan, wanted_object) from None
        self._pause(_UNTIL_PROXIES_KNOW)


def _as_refusal(error: ClusterError, plan: Plan, wanted_object: Wanted) -> RouteError:
    """Turn a refused apply into a RouteError that names the missing right.

    An apply that creates needs the verbs `patch` and `create`; an API server names only the first
    that is missing.
    """
    verb = "patch" if "cannot patch" in str(error) else "create"
    return as_route_error(error, verb, wanted_object.kind, plan, wanted_object.name)
