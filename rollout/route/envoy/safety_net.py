"""The fallback of a policy: while the canary has no healthy endpoint, Envoy asks stable.

It is an aggregate cluster of canary and stable. The route file names it instead of the canary
(`over_net`), and every reader first translates the name back (`past_net`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rollout.answers.json_text import copy_json
from rollout.decide.record.split import Split
from rollout.plan.model.mesh.policy import Policy
from rollout.route.envoy.arms import Arms
from rollout.route.envoy.walk import every_weighted
from rollout.route.envoy.weights import clusters_of
from rollout.route.manifest import Json, dicts, key

_CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
_AGGREGATE = "type.googleapis.com/envoy.extensions.clusters.aggregate.v3.ClusterConfig"


def net_name(arms: Arms) -> str:
    """Return the name of the cluster that falls back from canary to stable."""
    return f"{arms.canary}-or-{arms.stable}"


def netted(policy: Policy | None, split: Split) -> bool:
    """Return whether the canary's traffic goes through the net.

    At the full share it does not: then stable may be gone.
    """
    return policy is not None and bool(policy.fallback) and 0 < split.canary < split.total


def fallen(clusters: str, arms: Arms) -> bool:
    """Return whether stable answers for the canary, from Envoy's `/clusters`.

    That is so if no endpoint of the canary is healthy, or if it has none at all. A cluster that
    Envoy does not know is not such a case.
    """
    lines = [line for line in clusters.splitlines() if line.startswith(f"{arms.canary}::")]
    flags = [match[1] for line in lines if (match := _FLAGS.search(line))]
    return bool(lines) and all("/failed_" in endpoint_flags for endpoint_flags in flags)


def is_serving(clusters: str, cluster: str) -> bool:
    """Return whether a cluster has an endpoint that Envoy's health checks do not call failed."""
    lines = [line for line in clusters.splitlines() if line.startswith(f"{cluster}::")]
    flags = [match[1] for line in lines if (match := _FLAGS.search(line))]
    return any("/failed_" not in endpoint_flags for endpoint_flags in flags)


_FLAGS = re.compile(r"::health_flags::(.*)$")


def needed(routes: Json, arms: Arms, policy: Policy | None) -> bool:
    """Return whether the net's cluster must exist: the policy asks for it, or a route names it."""
    asked = policy is not None and bool(policy.fallback)
    return asked or net_name(arms) in clusters_of(routes)


def put_net(manifest: Json, arms: Arms, *, asked: bool) -> None:
    """Add the net's cluster to a cluster file, or remove it."""
    clusters, name = dicts(manifest.get("resources")), net_name(arms)
    if not asked:
        clusters[:] = [cluster for cluster in clusters if cluster.get("name") != name]
    elif all(cluster.get("name") != name for cluster in clusters):
        canary = next((cluster for cluster in clusters if cluster.get("name") == arms.canary), {})
        counted = canary.get(key(canary, "alt_stat_name")) or arms.canary
        net = build_aggregate(name, counted, [arms.canary, arms.stable])
        clusters.append({"@type": _CLUSTER, **net})


def build_aggregate(name: str, counted_as: str, clusters: Sequence[str]) -> Json:
    """Return a cluster that asks the first of `clusters` with a healthy endpoint.

    Envoy counts requests by the cluster that the route names. So the `alt_stat_name` is that of the
    first cluster, and its metrics keep their name.
    """
    config = {"@type": _AGGREGATE, "clusters": [*clusters]}
    return {
        "name": name,
        "alt_stat_name": counted_as,
        "connect_timeout": "1s",
        "lb_policy": "CLUSTER_PROVIDED",
        "cluster_type": {"name": "envoy.clusters.aggregate", "typed_config": config},
    }


def over_net(manifest: Json, arms: Arms) -> Json:
    """Return the route file with the canary's weights on the net."""
    return _rename_cluster(manifest, arms.canary, net_name(arms))


def past_net(manifest: Json, arms: Arms) -> Json:
    """Return the route file with the net's weights on the canary itself."""
    return _rename_cluster(manifest, net_name(arms), arms.canary)


def _rename_cluster(manifest: Json, old: str, new: str) -> Json:
    renamed = copy_json(manifest)
    for weighted in every_weighted(renamed):
        for entry in weighted.entries(old):
            entry["name"] = new
    return renamed
