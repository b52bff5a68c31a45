"""Create missing routing objects before the first weight is written to them."""

from __future__ import annotations

from collections.abc import Callable

from rollout.errors import ClusterError, RouteError
from rollout.plan.model.plan import Plan
from rollout.route.create.creation import Wanted, grown, is_ours, routes, wanted
from rollout.route.istio.destinations import explain_missing_subset
from rollout.route.kube.objects import DESTINATION_RULE, Applied, as_route_error
from rollout.route.kube.shapes import settle_object
from rollout.route.manifest import Json

_ATTEMPTS = 3
# Seconds from a subset to the first route to it. A proxy that hears of both at once answers 503
# until it knows the subset's endpoints; istiod needs half a second to tell it.
_UNTIL_PROXIES_KNOW = 1.0
_CONFLICT = 409


class Creator:
    """Creates in a cluster what a plan with `create` lacks.

    An object that exists is used as it is, whoever created it. Nothing is deleted: without the
    route all versions behind the Service would get traffic. `surefoot remove` deletes, at a user's
    request.
    """

    def __init__(
        self, objects: Applied, pause: Callable[[float], None] = lambda _seconds: None
    ) -> None:
        self._objects, self._pause = objects, pause

    def create_all(self, plan: Plan) -> None:
        """Create what is missing of all that a plan asks for.

        Adds missing subsets to a DestinationRule of ours. Raises RouteError, also for a rule of
        others that lacks a subset.
        """
        for wanted_object in wanted(plan):
            self._complete(plan, wanted_object)

    def create_routes(self, plan: Plan) -> bool:
        """Create the routes that are missing; return whether the plan asks for any.

        Raises RouteError.
        """
        wanted_routes = [*routes(plan)]
        for wanted_object in wanted_routes:
            self._complete(plan, wanted_object)
        return bool(wanted_routes)

    def _complete(self, plan: Plan, wanted_object: Wanted) -> None:
        """Create an object if it is missing, and add the subsets that it lacks."""
        live = self._ensure(plan, wanted_object)
        if wanted_object.kind != DESTINATION_RULE:
            return
        if problem := explain_missing_subset(live, plan):
            if not is_ours(live, plan):
                raise RouteError(problem, refused=True)
            self._apply(plan, wanted_object, grown(live, wanted_object))

    def _ensure(self, plan: Plan, wanted_object: Wanted) -> Json:
        """Return the object, creating it if it is missing. Raises RouteError."""
        for _ in range(_ATTEMPTS):
            try:
                live = self._objects.get(
                    wanted_object.kind, plan.metadata.namespace, wanted_object.name
                )
                return settle_object(wanted_object.kind, live)
            except ClusterError as error:
                missing = as_route_error(error, "get", wanted_object.kind, plan, wanted_object.name)
            if not missing.absent:
                raise missing
            self._apply(plan, wanted_object, wanted_object.body, may_exist=True)
        raise missing

    def _apply(
        self, plan: Plan, wanted_object: Wanted, body: Json, *, may_exist: bool = False
    ) -> None:
        """Apply an object, and wait until proxies know the subsets of a rule. Raises RouteError.

        With `may_exist` a conflict is no error: somebody else created it first, and theirs is used.
        """
        try:
            self._objects.apply(wanted_object.kind, plan.metadata.namespace, body)
        except ClusterError as error:
            if not may_exist or error.status != _CONFLICT:
                raise _as_refusal(error, plan, wanted_object) from None
        if wanted_object.kind == DESTINATION_RULE:
            self._pause(_UNTIL_PROXIES_KNOW)


def _as_refusal(error: ClusterError, plan: Plan, wanted_object: Wanted) -> RouteError:
    """Turn a refused apply into a RouteError that names the missing right.

    An apply that creates needs the verbs `patch` and `create`; an API server names only the first
    that is missing.
    """
    verb = "patch" if "cannot patch" in str(error) else "create"
    return as_route_error(error, verb, wanted_object.kind, plan, wanted_object.name)
