"""What an object itself says about its future: conditions, a deletion, an owner, a Git tool.

All functions are pure, from the live object to words; an empty answer means that nothing is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rollout.route.manifest import Json, dicts

# Conditions that are false where a gateway does not do what the route says, or true where it drops
# some of it.
_MUST_BE_TRUE = {"Accepted": "does not accept the route", "ResolvedRefs": "cannot resolve all"}
_MUST_BE_FALSE = {"PartiallyInvalid": "drops some of the rules"}

# Labels and annotations by which Git tools know their objects.
_GIT_TOOLS = {
    "argocd.argoproj.io/tracking-id": "Argo CD",
    "argocd.argoproj.io/instance": "Argo CD",
    "kustomize.toolkit.fluxcd.io/name": "Flux",
    "helm.toolkit.fluxcd.io/name": "Flux",
    "configmanagement.gke.io/managed": "Config Sync",
}


def conditions(live: Json) -> tuple[str, ...]:
    """Describe why the mesh may not carry out what an object says; empty where it does."""
    metadata = live.get("metadata") or {}
    deleted_at = metadata.get("deletionTimestamp")
    leaving = [f"it is being deleted (since {deleted_at})"] if deleted_at else []
    return (*leaving, *_list_denied(live))


def owner(live: Json) -> str:
    """Name the object that controls this one and may write it back; empty without one."""
    references = dicts((live.get("metadata") or {}).get("ownerReferences"))
    controlling = [item for item in references if item.get("controller") is True]
    return ", ".join(f"{item.get('kind')} {item.get('name')}" for item in controlling)


def git_tool(live: Json) -> str:
    """Name the Git tool whose labels an object carries; empty without one."""
    metadata = live.get("metadata") or {}
    keys = {*(metadata.get("labels") or {}), *(metadata.get("annotations") or {})}
    return next((tool for key, tool in _GIT_TOOLS.items() if key in keys), "")


def names_whole(text: str, name: str) -> bool:
    """Return whether a text names an object: as a whole word, or as the first of a host's labels.

    `svc-auth.ns` and `ns.svc.cluster.local` do not name `svc`; `ns/svc`, `svc:80` and `svc.ns` do.
    """
    pattern = rf"(?<![A-Za-z0-9.-]){re.escape(name)}(?![A-Za-z0-9-])"
    return re.search(pattern, text) is not None


def denials(live: Json) -> Iterator[tuple[str, str, str]]:
    """Yield each gateway's denial of the object's current generation: who, which, and why."""
    generation = (live.get("metadata") or {}).get("generation")
    for parent in dicts((live.get("status") or {}).get("parents")):
        for condition in dicts(parent.get("conditions")):
            kind, value = str(condition.get("type")), condition.get("status")
            is_denial = value == "False" if kind in _MUST_BE_TRUE else value == "True"
            is_current = condition.get("observedGeneration", generation) == generation
            if kind in (*_MUST_BE_TRUE, *_MUST_BE_FALSE) and is_denial and is_current:
                why = f"{condition.get('reason')}: {condition.get('message')}"
                yield str(parent.get("controllerName")), kind, why


def _list_denied(live: Json) -> Iterator[str]:
    words = _MUST_BE_TRUE | _MUST_BE_FALSE
    for controller, kind, why in denials(live):
        yield f"{controller} {words[kind]}: {why}"
