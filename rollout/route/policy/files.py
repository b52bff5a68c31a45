"""Write a plan's policy into the files that a local Envoy watches, and take it out again.

What we own in a resource is recorded in the resource's metadata, so that Envoy's config dump shows
whether Envoy runs it.
"""

from __future__ import annotations

from collections.abc import Iterator

from rollout.answers.json_text import copy_json
from rollout.errors import RouteError
from rollout.plan.model.mesh.policy import Policy
from rollout.route.envoy.arms import Arms
from rollout.route.envoy.safety_net import net_name
from rollout.route.envoy.walk import forget, note, noted, tables
from rollout.route.manifest import Json, dicts, key
from rollout.route.policy.envoy import cluster_fields, route_fields
from rollout.route.policy.owned import (
    Ownership,
    Roots,
    Wanted,
    apply_fields,
    differing,
    parse_ownership,
)

_NOTE = "policy"


def settled_routes(manifest: Json, arms: Arms, policy: Policy | None, *, adopt: bool) -> Json:
    """Return the route file with the policy in every route of ours; with None, without it."""
    settled = copy_json(manifest)
    for config in dicts(settled.get("resources")):
        roots = _find_actions(config)
        wanted = route_fields(roots, _list_cluster_names(arms), policy)
        remember(config, apply_fields(roots, _read_ownership(config), wanted, adopt=adopt).text())
    return settled


def settled_clusters(manifest: Json, arms: Arms, policy: Policy | None, *, adopt: bool) -> Json:
    """Return the cluster file with the policy in both arms; with None, without it.

    Raises RouteError for an arm that the file does not contain.
    """
    settled = copy_json(manifest)
    clusters = clusters_in(settled)
    if policy is not None and (lost := {arms.stable, arms.canary} - clusters.keys()):
        message = f"the cluster file has no cluster {', '.join(sorted(lost))}"
        raise RouteError(message, refused=True)
    for name, cluster in clusters.items():
        if name in (arms.stable, arms.canary):
            ownership = _read_ownership(cluster)
            wanted = _build_cluster_fields(cluster, arms, policy)
            remember(cluster, apply_fields({name: cluster}, ownership, wanted, adopt=adopt).text())
    return settled


def differences(routes: Json, clusters: Json | None, arms: Arms, policy: Policy) -> Iterator[str]:
    """Describe each field that is not as the policy says."""
    for config in dicts(routes.get("resources")):
        roots = _find_actions(config)
        for problem in differing(roots, route_fields(roots, _list_cluster_names(arms), policy)):
            yield f"routes {config.get('name')}: {problem}"
    if clusters is None:
        return
    by_name = clusters_in(clusters)
    for name in (arms.stable, arms.canary):
        cluster = by_name.get(name, {"name": name})
        for problem in differing({name: cluster}, _build_cluster_fields(cluster, arms, policy)):
            yield f"cluster {name}: {problem}"
    if policy.fallback and net_name(arms) not in by_name:
        yield f"there is no cluster {net_name(arms)}"


def leftovers(manifest: Json, arms: Arms) -> Iterator[str]:
    """Describe what still contains a policy of ours: route configurations, or arms' clusters."""
    for resource in dicts(manifest.get("resources")):
        has_routes = key(resource, "virtual_hosts") in resource
        if resource.get("name") == net_name(arms) or (
            note_of(resource) and (has_routes or resource.get("name") in (arms.stable, arms.canary))
        ):
            yield f"{resource.get('name')} still has the policy"


def clusters_in(manifest: Json) -> dict[str, Json]:
    """Return the clusters of a file by name."""
    return {str(cluster.get("name")): cluster for cluster in dicts(manifest.get("resources"))}


def notes(manifest: Json) -> dict[str, str]:
    """Return what is recorded in each resource, by its name."""
    return {
        str(resource.get("name")): note_of(resource)
        for resource in dicts(manifest.get("resources"))
    }


def shown_clusters(dump: Json) -> Json:
    """Return the clusters of Envoy's `/config_dump` in the form of a file."""
    return {
        "resources": [
            config["cluster"] for config in dicts(dump.get("configs")) if "cluster" in config
        ]
    }


def shown_routes(dump: Json) -> Json:
    """Return the route configurations of Envoy's `/config_dump` in the form of a file."""
    configs = (entry.get("route_config") for entry in dicts(dump.get("configs")))
    return {"resources": [config for config in configs if config]}


def note_of(resource: Json) -> str:
    """Return what is recorded in a resource's metadata."""
    return str(noted(resource).get(_NOTE, ""))


def remember(resource: Json, text: str) -> None:
    """Record this text in a resource's metadata.

    Empty text removes the record, and the metadata that this leaves empty.
    """
    if text:
        note(resource, _NOTE, value=text)
    else:
        forget(resource, _NOTE)


def _build_cluster_fields(cluster: Json, arms: Arms, policy: Policy | None) -> Wanted:
    """Return the wanted fields of a cluster; none without a policy."""
    if policy is None:
        return {}
    canary = cluster.get("name") == arms.canary
    return cluster_fields(cluster, _read_ownership(cluster), policy, canary=canary)


def _list_cluster_names(arms: Arms) -> set[str]:
    """Return every cluster name by which a route leads to an arm."""
    return {arms.stable, arms.canary, net_name(arms)}


def _find_actions(config: Json) -> Roots:
    """Return the routes of one configuration by their description, except ours for a segment.

    Every write creates those again, as copies of the route that follows them.
    """
    actions: dict[str, Json] = {}
    for _, host, routes in tables({"resources": [config]}):
        own_routes = [route for route in routes if not noted(route).get("segment")]
        for number, route in enumerate(own_routes, 1):
            if isinstance(action := route.get("route"), dict):
                actions[f"route {number} of virtual host {host}"] = action
    return actions


def _read_ownership(resource: Json) -> Ownership:
    """Return what is recorded as ours in a resource."""
    return parse_ownership(note_of(resource))
