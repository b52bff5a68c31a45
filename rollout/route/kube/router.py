"""Weights in a cluster's own routing objects: read, patched at the version read, read back."""

from __future__ import annotations

from rollout.decide.record.split import Split
from rollout.errors import ClusterError, RouteError
from rollout.kube.kinds import Kind
from rollout.kube.watches import Watched
from rollout.plan.model.plan import Plan
from rollout.ports import RouteStatus
from rollout.route.istio.destinations import lacking
from rollout.route.kube import patch
from rollout.route.kube.object_annotations import mark_of
from rollout.route.kube.objects import (
    DESTINATION_RULE,
    Objects,
    Target,
    as_route_error,
    at_version,
    spelt,
    target_of,
)
from rollout.route.manifest import Json

_ATTEMPTS = 5
_CONFLICT = 409


class ClusterRouter:
    """The `Router` port for plans with `spec.route.istio` or `spec.route.gateway`.

    With `watched` it also is a `Watcher`; before and after a write the API server itself is read.
    """

    def __init__(self, objects: Objects, watched: Watched | None = None) -> None:
        self._objects, self._watched = objects, watched

    def read(self, plan: Plan, total: int) -> RouteStatus:
        """The weights that the API server holds now, and our mark.

        A canary's traffic that the mesh says it does not carry out is not shown. Raises RouteError.
        """
        target = target_of(plan)
        return _seen(self._get(plan, target.kind, target.name), target, plan, total)

    def glance(self, plan: Plan, total: int) -> RouteStatus | None:
        """What the watch showed last, as `read` tells it; None without one. Raises RouteError."""
        if self._watched is None:
            return None
        target = target_of(plan)
        live = self._watched.find(target.kind, plan.metadata.namespace, target.name)
        return None if live is None else _seen(live, target, plan, total)

    def write(self, plan: Plan, split: Split, mark: str) -> None:
        """Patch the object as it is now; one that was changed meanwhile is read again.

        After an answer that leaves open whether the patch was taken (a time-out, a 5xx), reading
        tells. Raises RouteError: then nothing moved, or nobody can say.
        """
        target = target_of(plan)
        if split.canary:
            self._check_subsets(plan)
        unclear: RouteError | None = None
        for _ in range(_ATTEMPTS):
            live = self._get(plan, target.kind, target.name)
            body = _patch_of(live, plan, split, mark)
            if not body:
                return
            if unclear is not None:
                raise unclear
            try:
                self._patch(plan, target, at_version(body, live), split)
            except ClusterError as error:
                problem = as_route_error(error, "patch", target.kind, plan, target.name)
                if error.status == _CONFLICT:
                    continue
                if not _is_unclear(error):
                    raise problem from None
                unclear = problem
            else:
                return
        said = f"{spelt(target.kind, plan, target.name)} keeps changing"
        raise RouteError(f"{said}: {_ATTEMPTS} patches came too late")

    def diagnose(self, plan: Plan) -> str:
        """Nothing: what the API server has taken, it shows."""
        del plan
        return ""

    def _check_subsets(self, plan: Plan) -> None:
        """No traffic for a subset that nobody defined: a mesh answers it with 503."""
        route = plan.spec.route.istio
        if route is None or route.destination_rule is None:
            return
        rule = self._get(plan, DESTINATION_RULE, route.destination_rule)
        if reason := lacking(rule, plan):
            raise RouteError(reason, refused=True)

    def _get(self, plan: Plan, kind: Kind, name: str) -> Json:
        try:
            return self._objects.get(kind, plan.metadata.namespace, name)
        except ClusterError as error:
            raise as_route_error(error, "get", kind, plan, name) from None

    def _patch(self, plan: Plan, target: Target, body: Json, split: Split) -> None:
        """Patch; what is more than weights is tried dry first.

        The API server of an older mesh drops what it does not know, such as the share of copies,
        and then all requests would be copied. Raises ClusterError and RouteError.
        """
        place = target.kind, plan.metadata.namespace, target.name
        if split.way != "weights":
            kept = self._objects.patch(*place, body, dry=True)
            if not _keeps(kept, plan, split):
                said = f"the cluster's definitions of it are too old for a {split.way}"
                where = spelt(target.kind, plan, target.name)
                raise RouteError(f"{where}: {said}", refused=True)
        self._objects.patch(*place, body)


def _patch_of(live: Json, plan: Plan, split: Split, mark: str) -> Json:
    """The patch. An object that cannot carry the split needs a person, as a lacking right does."""
    try:
        return patch.patch(live, plan, split, mark)
    except RouteError as error:
        raise RouteError(str(error), refused=True) from None


def _keeps(patched: Json, plan: Plan, split: Split) -> bool:
    """Whether a patched object shows the split."""
    try:
        return patch.split_of(patched, plan, split.total) == split
    except RouteError:
        return False


def _seen(live: Json, target: Target, plan: Plan, total: int) -> RouteStatus:
    split = patch.split_of(live, plan, total)
    if split.canary and (problem := target.complaint(live, plan)):
        raise RouteError(f"{spelt(target.kind, plan, target.name)}: {problem}")
    return RouteStatus(split, mark_of(live, plan.spec.service))


def _is_unclear(error: ClusterError) -> bool:
    """Whether the request may have been carried out all the same."""
    return error.status == 0 or error.status >= 500
