"""The files that a local Envoy watches, with a plan's policy in them, or as they were before it."""

from __future__ import annotations

import copy
from collections.abc import Iterator

from rollout.errors import RouteError
from rollout.plan.model.policy import Policy
from rollout.route.envoy.safety_net import net_name
from rollout.route.envoy.segment import forget, note
from rollout.route.envoy.walk import noted, tables
from rollout.route.envoy.weights import Arms
from rollout.route.manifest import Json, dicts, key
from rollout.route.policy.envoy import cluster_fields, route_fields
from rollout.route.policy.owned import Ownership, Roots, Wanted, differing, own, read_kept

_NOTE = "policy"


def settled_routes(manifest: Json, arms: Arms, policy: Policy | None, *, adopt: bool) -> Json:
    """The route file with the policy's fields at every route of ours, or as it was without."""
    made = copy.deepcopy(manifest)
    for config in dicts(made.get("resources")):
        roots = _routes(config)
        wanted = route_fields(roots, _names(arms), policy)
        remember(config, own(roots, _kept(config), wanted, adopt=adopt).text())
    return made


def settled_clusters(manifest: Json, arms: Arms, policy: Policy | None, *, adopt: bool) -> Json:
    """The cluster file with the policy's fields at both arms, or as it was without.

    Raises RouteError for an arm that the file does not hold.
    """
    made = copy.deepcopy(manifest)
    there = clusters_in(made)
    if policy is not None and (lost := {arms.stable, arms.canary} - there.keys()):
        said = f"the cluster file has no cluster {', '.join(sorted(lost))}"
        raise RouteError(said, refused=True)
    for name, cluster in there.items():
        if name in (arms.stable, arms.canary):
            kept = _kept(cluster)
            wanted = _cluster_fields(cluster, arms, policy)
            remember(cluster, own({name: cluster}, kept, wanted, adopt=adopt).text())
    return made


def differences(routes: Json, clusters: Json | None, arms: Arms, policy: Policy) -> Iterator[str]:
    """Each field that is not as the policy says, in words."""
    for config in dicts(routes.get("resources")):
        roots = _routes(config)
        for said in differing(roots, route_fields(roots, _names(arms), policy)):
            yield f"routes {config.get('name')}: {said}"
    if clusters is None:
        return
    there = clusters_in(clusters)
    for name in (arms.stable, arms.canary):
        cluster = there.get(name, {"name": name})
        for said in differing({name: cluster}, _cluster_fields(cluster, arms, policy)):
            yield f"cluster {name}: {said}"
    if policy.fallback and net_name(arms) not in there:
        yield f"there is no cluster {net_name(arms)}"


def leftovers(manifest: Json, arms: Arms) -> Iterator[str]:
    """What still carries a policy of ours: route configurations, or clusters of both arms."""
    for resource in dicts(manifest.get("resources")):
        routes = key(resource, "virtual_hosts") in resource
        if resource.get("name") == net_name(arms) or (
            note_of(resource) and (routes or resource.get("name") in (arms.stable, arms.canary))
        ):
            yield f"{resource.get('name')} still has the policy"


def clusters_in(manifest: Json) -> dict[str, Json]:
    """The clusters of a file, by name."""
    return {str(each.get("name")): each for each in dicts(manifest.get("resources"))}


def notes(manifest: Json) -> dict[str, str]:
    """What is remembered in each resource, by its name."""
    return {str(each.get("name")): note_of(each) for each in dicts(manifest.get("resources"))}


def shown_clusters(dump: Json) -> Json:
    """The clusters of Envoy's `/config_dump`, as a file has them."""
    return {
        "resources": [each["cluster"] for each in dicts(dump.get("configs")) if "cluster" in each]
    }


def shown_routes(dump: Json) -> Json:
    """The route configurations of Envoy's `/config_dump`, as a file has them."""
    found = (each.get("route_config") for each in dicts(dump.get("configs")))
    return {"resources": [each for each in found if each]}


def note_of(resource: Json) -> str:
    """What is remembered in a resource's metadata; Envoy's config dump shows it too."""
    return str(noted(resource).get(_NOTE, ""))


def remember(resource: Json, text: str) -> None:
    """Write this beside the fields; empty where nothing is owned: then nothing is left of it."""
    if text:
        note(resource, _NOTE, value=text)
    elif note_of(resource):
        del noted(resource)[_NOTE]
        if not noted(resource):
            forget(resource)


def _cluster_fields(cluster: Json, arms: Arms, policy: Policy | None) -> Wanted:
    if policy is None:
        return {}
    canary = cluster.get("name") == arms.canary
    return cluster_fields(cluster, _kept(cluster), policy, canary=canary)


def _names(arms: Arms) -> set[str]:
    return {arms.stable, arms.canary, net_name(arms)}


def _routes(config: Json) -> Roots:
    """The routes of one configuration by their place in words, but ours for a segment.

    Those are copies of the route after them, made anew by every write.
    """
    found: dict[str, Json] = {}
    for _, host, routes in tables({"resources": [config]}):
        theirs = [route for route in routes if not noted(route).get("segment")]
        for number, route in enumerate(theirs, 1):
            if isinstance(action := route.get("route"), dict):
                found[f"route {number} of virtual host {host}"] = action
    return found


def _kept(resource: Json) -> Ownership:
    return read_kept(note_of(resource))
