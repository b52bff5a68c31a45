"""The data plane's own safety net: while the canary has no endpoint left, Envoy asks stable."""

from __future__ import annotations

import copy
import re

from rollout.decide.record.split import Split
from rollout.plan.model.policy import Policy
from rollout.route.envoy.walk import every_weighted
from rollout.route.envoy.weights import Arms, clusters_of
from rollout.route.manifest import Json, dicts, key

_CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
_AGGREGATE = "type.googleapis.com/envoy.extensions.clusters.aggregate.v3.ClusterConfig"


def net_name(arms: Arms) -> str:
    """The cluster that leads to the canary, and to stable while the canary has no endpoint."""
    return f"{arms.canary}-or-{arms.stable}"


def netted(policy: Policy | None, split: Split) -> bool:
    """Whether the canary's traffic leads over the net: while stable serves beside it."""
    return policy is not None and bool(policy.fallback) and 0 < split.canary < split.total


def fallen(clusters: str, arms: Arms) -> bool:
    """Whether stable answers for the canary: none of its endpoints serves, by Envoy's `/clusters`.

    A canary without endpoints is one, too; one that Envoy does not know is not.
    """
    lines = [line for line in clusters.splitlines() if line.startswith(f"{arms.canary}::")]
    flags = [found[1] for line in lines if (found := _FLAGS.search(line))]
    return bool(lines) and all("/failed_" in each for each in flags)


_FLAGS = re.compile(r"::health_flags::(.*)$")


def needed(routes: Json, arms: Arms, policy: Policy | None) -> bool:
    """Whether the net's cluster must be there: asked for, or still named by a route."""
    asked = policy is not None and bool(policy.fallback)
    return asked or net_name(arms) in clusters_of(routes)


def put_net(manifest: Json, arms: Arms, *, asked: bool) -> None:
    """Add the net's cluster to a cluster file, or take it away."""
    clusters, name = dicts(manifest.get("resources")), net_name(arms)
    if not asked:
        clusters[:] = [each for each in clusters if each.get("name") != name]
    elif all(each.get("name") != name for each in clusters):
        canary = next((each for each in clusters if each.get("name") == arms.canary), {})
        clusters.append(_net(arms, canary.get(key(canary, "alt_stat_name")) or arms.canary))


def _net(arms: Arms, counted: str) -> Json:
    """Envoy counts answers by the cluster that the route names: these stay the canary's."""
    config = {"@type": _AGGREGATE, "clusters": [arms.canary, arms.stable]}
    return {
        "@type": _CLUSTER,
        "name": net_name(arms),
        "alt_stat_name": counted,
        "connect_timeout": "1s",
        "lb_policy": "CLUSTER_PROVIDED",
        "cluster_type": {"name": "envoy.clusters.aggregate", "typed_config": config},
    }


def over_net(manifest: Json, arms: Arms) -> Json:
    """The route file whose weights of the canary lead over the net."""
    return _renamed(manifest, arms.canary, net_name(arms))


def past_net(manifest: Json, arms: Arms) -> Json:
    """The route file whose weights of the canary lead straight to it."""
    return _renamed(manifest, net_name(arms), arms.canary)


def _renamed(manifest: Json, old: str, new: str) -> Json:
    made = copy.deepcopy(manifest)
    for weighted in every_weighted(made):
        for entry in weighted.entries(old):
            entry["name"] = new
    return made
