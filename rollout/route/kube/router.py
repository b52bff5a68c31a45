"""Write weights into a cluster's routing objects, and read them back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from analysis.counting.cursor import Arm
from rollout.answers.json_text import copy_json
from rollout.answers.remembered import RememberedReadings
from rollout.decide.record.split import Split
from rollout.errors import ClusterError, RouteError
from rollout.kube.kinds import Kind
from rollout.kube.watches import WatchedObjects
from rollout.plan.model.plan import Plan
from rollout.ports import RouteStatus
from rollout.route.istio.destinations import explain_missing_subset
from rollout.route.kube import patch
from rollout.route.kube.conditions import conditions_of, owner_of, taken_of
from rollout.route.kube.dialect import dialect_of
from rollout.route.kube.endpoints import EndpointSource, has_endpoints
from rollout.route.kube.object_annotations import read_write_id
from rollout.route.kube.objects import (
    DESTINATION_RULE,
    Objects,
    Target,
    as_route_error,
    at_version,
    read_version,
    spelt,
    target_of,
)
from rollout.route.kube.shapes import settle_object
from rollout.route.kube.view import exposure, gives_nothing, split_of
from rollout.route.manifest import Json
from rollout.route.timeout import find_longest_timeout

_ATTEMPTS = 5
_CONFLICT = 409


class ClusterRouter:
    """Implements the `Router` port for plans with `spec.route.istio` or `spec.route.gateway`.

    Only with `watched` does it have a cache. A write always reads from the API server and never
    from the watch, whose copy may be old.
    """

    def __init__(
        self,
        objects: Objects,
        watched: WatchedObjects | None = None,
        source: EndpointSource | None = None,
    ) -> None:
        self._objects, self._watched, self._source = objects, watched, source
        self._statuses = RememberedReadings[RouteStatus]()

    def read(self, plan: Plan, total: int, before: tuple[str, ...] | None = None) -> RouteStatus:
        """Return the weights that the API server holds now, and our write id.

        Raises RouteError where it cannot be read, and where the mesh reports that it does not
        serve the canary's traffic: such weights must not count as delivered.
        """
        target = target_of(plan)
        live = self._get(plan, target.kind, target.name)
        status = partial(_read_status, live, target, plan, total, before)
        return self._statuses.read((plan.digest, total, before), live, status)

    def cached(
        self, plan: Plan, total: int, before: tuple[str, ...] | None = None
    ) -> RouteStatus | None:
        """Return what the watch saw last, as `read` does; None without it. Raises RouteError."""
        if self._watched is None:
            return None
        target = target_of(plan)
        live = self._watched.find(target.kind, plan.metadata.namespace, target.name)
        if live is None:
            return None
        status = partial(_read_watched, live, target, plan, total, before)
        return self._statuses.read((plan.digest, total, before), live, status)

    def write(
        self,
        plan: Plan,
        split: Split,
        write_id: str,
        before: tuple[str, ...] | None = None,
        *,
        is_last: bool = False,
    ) -> None:
        """Patch the object at the version just read; after a conflict, read it and try again.

        What gives the canary weight is not tried again upon other weights or another mark than were
        read first: the caller judges whose they are.

        An end that has nothing to change makes a new version all the same: it notes its write id
        and takes it away. A patch of a replica that lost its lease may be on its way, and it fails
        where the version that it names is no more. A note that could not be taken away is an error:
        the next write of the end has nothing else to do.

        A time-out or a 5xx leaves open whether the patch was applied; the next read tells. Raises
        RouteError: then nothing moved, or the outcome is unknown.
        """
        if split.canary:
            self._check_subsets(plan)
        build = partial(_build_patch, plan=plan, split=split, write_id=write_id, before=before)
        if self._change(plan, split, partial(build, is_last=is_last)) or not is_last:
            return
        if self._change(plan, split, partial(build, is_last=False)):
            try:
                self._change(plan, split, partial(build, is_last=True))
            except RouteError as error:
                message = f"all is as it was, but our note is still there: {error}"
                raise RouteError(message, refused=error.refused, unread=error.unread) from None

    def _change(self, plan: Plan, split: Split, build: Callable[[Json], Json]) -> bool:
        """Patch the object with what `build` makes of it; return whether there was anything."""
        target = target_of(plan)
        unclear: RouteError | None = None
        first: tuple[Split, str] | None = None
        for attempt in range(_ATTEMPTS):
            live = self._get(plan, target.kind, target.name)
            weights = _find_weights(live, plan, split)
            first = first if attempt else weights
            if split.canary and weights != first and unclear is None:
                where = spelt(target.kind, plan, target.name)
                raise RouteError(f"{where} was changed by somebody else meanwhile", overtaken=True)
            body = build(live)
            if not body:
                return unclear is not None
            # The patch is still needed after an unclear answer. It may yet be applied, so a
            # second one is not sent: the caller reads the mesh again and decides.
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
                return True
        message = f"{spelt(target.kind, plan, target.name)} keeps changing"
        raise RouteError(f"{message}: {_ATTEMPTS} patches came too late")

    def endpoints(self, plan: Plan, arm: Arm) -> bool | None:
        """See rollout.ports.Router; None without a source, a right or a kind."""
        if self._source is None:
            return None
        try:
            return has_endpoints(plan, arm, self._objects, self._source)
        except (ClusterError, RouteError):
            return None

    def diagnose(self, plan: Plan) -> str:
        """Return nothing: what the API server accepted, it also shows."""
        del plan
        return ""

    def _check_subsets(self, plan: Plan) -> None:
        """Refuse traffic to a subset that no DestinationRule defines: Istio answers it with 503."""
        route = plan.spec.route.istio
        if route is None or route.destination_rule is None:
            return
        rule = self._get(plan, DESTINATION_RULE, route.destination_rule)
        if reason := explain_missing_subset(rule, plan):
            raise RouteError(reason, refused=True)

    def _get(self, plan: Plan, kind: Kind, name: str) -> Json:
        try:
            live = self._objects.get(kind, plan.metadata.namespace, name)
        except ClusterError as error:
            raise as_route_error(error, "get", kind, plan, name) from None
        return settle_object(kind, live)

    def _patch(self, plan: Plan, target: Target, body: Json, split: Split) -> None:
        """Patch; anything but plain weights is tried in a dry run first.

        The API server of an older mesh drops fields that it does not know, such as a mirror's
        share, and then all requests would be mirrored. Raises ClusterError and RouteError.
        """
        address = target.kind, plan.metadata.namespace, target.name
        if split.way != "weights":
            patched = self._objects.patch(*address, body, dry=True)
            if not _has_split(patched, plan, split):
                message = f"the cluster's definitions of it are too old for a {split.way}"
                where = spelt(target.kind, plan, target.name)
                raise RouteError(f"{where}: {message}", refused=True)
        self._objects.patch(*address, body)


def _build_patch(
    live: Json,
    plan: Plan,
    split: Split,
    write_id: str,
    before: tuple[str, ...] | None,
    *,
    is_last: bool,
) -> Json:
    """Return the patch. An object that cannot carry the split is a refusal.

    Trying again does not help: as with a missing right, a person has to change something.
    """
    try:
        return patch.patch(live, plan, split, write_id, before, is_last=is_last)
    except RouteError as error:
        raise RouteError(str(error), refused=True) from None


def _find_weights(live: Json, plan: Plan, split: Split) -> tuple[Split, str] | None:
    """Return the split that an object shows, and whose mark is on it; None for no split."""
    try:
        return split_of(live, plan, split.total), read_write_id(live, plan.spec.service)
    except RouteError:
        return None


def _has_split(patched: Json, plan: Plan, split: Split) -> bool:
    """Return whether a patched object shows the split."""
    try:
        return split_of(patched, plan, split.total) == split
    except RouteError:
        return False


def _read_watched(
    live: Json, target: Target, plan: Plan, total: int, before: tuple[str, ...] | None
) -> RouteStatus:
    """Return the same of a watch's object, which is never changed. Raises RouteError."""
    own = settle_object(target.kind, copy_json(live))
    return _read_status(own, target, plan, total, before)


def _read_status(
    live: Json, target: Target, plan: Plan, total: int, before: tuple[str, ...] | None
) -> RouteStatus:
    """Return the split and the write id that an object shows. Raises RouteError."""
    try:
        split, others = split_of(live, plan, total, before), exposure(live, plan, before)
    except RouteError as error:
        nothing = gives_nothing(live, plan, before)
        raise RouteError(str(error), gives_nothing=nothing, most=error.most) from None
    if split.canary and (problem := target.complaint(live, plan)):
        raise RouteError(f"{spelt(target.kind, plan, target.name)}: {problem}")
    write_id = read_write_id(live, plan.spec.service)
    return RouteStatus(
        split,
        write_id,
        conditions=conditions_of(live, plan),
        owner=owner_of(live),
        pinned=others.pinned,
        strays=others.strays,
        leading=others.leading,
        lacking=others.lacking,
        taken=taken_of(live),
        timeout=_read_timeout(live, plan),
        is_noted=bool(write_id),
        version=read_version(live),
    )


def _read_timeout(live: Json, plan: Plan) -> float | None:
    routes = dialect_of(plan).weighted_routes(live, plan, back=True, alone=True)
    return find_longest_timeout(route.body for route in routes)


def _is_unclear(error: ClusterError) -> bool:
    """Return whether the request may have been carried out despite the error."""
    return error.status == 0 or error.status >= 500
