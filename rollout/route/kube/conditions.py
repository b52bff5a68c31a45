"""What an object's own status and metadata say against its route, in words.

Only conditions of the object's current generation count. A reference that cannot be resolved is
heard if its message names one of our arms by its whole name: neither `svc-auth` nor the `svc` of
another namespace is our `svc`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from rollout.decide.text.arms import name_arms
from rollout.errors import RouteError
from rollout.plan.model.plan import Plan
from rollout.route.manifest import Json, dicts

# Labels and annotations by which tools of a Git repository mark what they apply.
_GIT_TOOLS = {
    "argocd.argoproj.io/instance": "Argo CD",
    "argocd.argoproj.io/tracking-id": "Argo CD",
    "kustomize.toolkit.fluxcd.io/name": "Flux",
    "helm.toolkit.fluxcd.io/name": "Flux",
    "configsync.gke.io/declared-version": "Config Sync",
    "configmanagement.gke.io/managed": "Config Sync",
    "fleet.cattle.io/bundle-id": "Fleet",
    "objectset.rio.cattle.io/id": "Fleet",
}
_LABEL = "[a-z0-9-]*"  # of a name in Kubernetes
_MANAGED_BY, _HANDS = "app.kubernetes.io/managed-by", {"", "kubectl", "surefoot"}


def conditions_of(live: Json, plan: Plan) -> tuple[str, ...]:
    """Return what the mesh reports against the route, in words, each once."""
    try:
        texts = [*_list_conditions(live, plan)]
    except RouteError:
        return ()  # a status of another shape says nothing
    return tuple(dict.fromkeys(texts))


def taken_of(live: Json) -> bool | None:
    """Return whether every gateway says that it has taken the object's current generation.

    None without a gateway that says which generation it has seen: Istio writes no status then.
    """
    generation = _metadata(live).get("generation")
    try:
        observed = [
            [item["observedGeneration"] for item in conditions if "observedGeneration" in item]
            for parent in dicts((live.get("status") or {}).get("parents"))
            if (conditions := dicts(parent.get("conditions")))
        ]
        if generation is None or not any(observed):
            return None
        return all(generations and min(generations) >= generation for generations in observed)
    except (RouteError, TypeError, AttributeError):
        return None  # a status of another shape says nothing


def complaint_of(live: Json, plan: Plan) -> str:
    """Say why the gateways do not carry out the canary's route; empty if they do."""
    reports = _list_reports(live)
    canary = name_arms(plan)[1]
    for controller, report in reports:
        if names_whole(
            canary, plan.metadata.namespace, unresolved := report.get(("ResolvedRefs", "False"), "")
        ):
            return f"{controller} cannot resolve the canary: {unresolved}"
    if reports and all(("Accepted", "False") in report for _, report in reports):
        return f"no gateway accepts the route: {reports[0][1]['Accepted', 'False']}"
    return ""


def owner_of(live: Json) -> str:
    """Return the controller that owns the object, as `Kind name`; empty without one.

    It will write the object back to what it wants.
    """
    references = _metadata(live).get("ownerReferences") or []
    owners = (f"{ref.get('kind')} {ref.get('name')}" for ref in references if ref.get("controller"))
    return next(owners, "")


def git_tool_of(live: Json) -> str:
    """Return the tool that applies the object from a repository; empty without a sign of one."""
    metadata = _metadata(live)
    notes = {**(metadata.get("annotations") or {}), **(metadata.get("labels") or {})}
    for key, tool in _GIT_TOOLS.items():
        if notes.get(key):
            return f"{tool} ({key}: {notes[key]})"
    manager = str(notes.get(_MANAGED_BY, ""))
    return "" if manager.lower() in _HANDS else f"{manager} ({_MANAGED_BY})"


def names_whole(name: str, namespace: str, message: str) -> bool:
    """Return whether a message names this object of a namespace, by its whole name.

    `svc-auth` is not `svc`, and `svc.other` and `other/svc` are those of another namespace. Without
    one, as in `svc` or `Service svc`, it is ours.
    """
    pattern = rf"(?<![\w.-])(?:({_LABEL})/)?{re.escape(name)}(?:\.({_LABEL}))?(?![\w-])"
    spaces = {"", namespace, "service", "services"}  # `service/svc` is a kind and a name
    return any(
        (match[1] or "") in spaces and (match[2] or namespace) == namespace
        for match in re.finditer(pattern, message)
    )


def _list_conditions(live: Json, plan: Plan) -> Iterator[str]:
    if deleted_at := _metadata(live).get("deletionTimestamp"):
        yield f"the object is being deleted (since {deleted_at})"
    reports = _list_reports(live)
    denials = [
        f"{controller} does not accept the route: {report['Accepted', 'False']}"
        for controller, report in reports
        if ("Accepted", "False") in report
    ]
    # One gateway of several may refuse a route for good; it then has none of its traffic.
    if denials and len(denials) == len(reports):
        yield denials[0]
    arms = name_arms(plan)
    for controller, report in reports:
        if dropped := report.get(("PartiallyInvalid", "True")):
            yield f"{controller} has dropped a rule: {dropped}"
        unresolved = report.get(("ResolvedRefs", "False"), "")
        if any(names_whole(arm, plan.metadata.namespace, unresolved) for arm in arms):
            yield f"{controller} cannot resolve a backend: {unresolved}"


def _list_reports(live: Json) -> list[tuple[str, Mapping[tuple[str, str], str]]]:
    """Return every controller of the route, and its current conditions."""
    parents = dicts((live.get("status") or {}).get("parents"))
    return [(str(parent.get("controllerName")), _current(parent, live)) for parent in parents]


def _current(parent: Json, live: Json) -> Mapping[tuple[str, str], str]:
    """Return the conditions of the current generation, by type and status."""
    generation = _metadata(live).get("generation")
    return {
        (str(item.get("type")), str(item.get("status"))): (
            f"{item.get('reason')}: {item.get('message')}"
        )
        for item in dicts(parent.get("conditions"))
        if item.get("observedGeneration", generation) == generation
    }


def _metadata(live: Json) -> Json:
    metadata = live.get("metadata")
    return metadata if isinstance(metadata, dict) else {}
