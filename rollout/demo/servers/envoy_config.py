"""Builds the demo Envoy's configuration: one service, whose versions are on this machine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from rollout.route.envoy import bootstrap as built
from rollout.route.envoy.bootstrap import SocketAddress, WatchedFile
from rollout.route.manifest import Json

ROUTES, CLUSTERS = "rds.json", "cds.json"


def version_of(cluster: str, service: str) -> str:
    """Return `v1` for cluster `<service>-v1`, else the text after the name's last hyphen."""
    own = cluster.removeprefix(f"{service}-")
    return own if own != cluster else cluster.rpartition("-")[2]


def bootstrap(
    folder: Path,
    listen: int,
    admin: int,
    clusters: Mapping[str, int],
    service: str,
    *,
    watched: bool = False,
) -> Json:
    """Build Envoy's bootstrap: one listener on `listen`, routes from `folder`/rds.json.

    `clusters` maps a cluster's name to its backend's port on the loopback interface; `watched`
    takes the clusters from `folder`/cds.json.
    """
    versions = {version_of(name, service) for name in clusters}
    # The regex lists the versions: a version such as v1.2 has dots, as Envoy's statistics have.
    # The longest comes first, so that v1 does not match a part of v1.2.
    alternatives = "|".join(map(re.escape, sorted(versions, key=lambda name: (-len(name), name))))
    return built.bootstrap(
        service,
        _local(admin),
        [built.build_listener(service, _local(listen), WatchedFile(str(folder), ROUTES))],
        built.build_stats(re.escape(service), alternatives),
        WatchedFile(str(folder), CLUSTERS) if watched else _build_clusters(service, clusters),
    )


def first_routes(service: str, stable: str) -> Json:
    """Build the first route file: all traffic to cluster `stable`."""
    return built.route_file(service, [built.build_route({stable: 100}, timeout="30s")])


def first_clusters(service: str, clusters: Mapping[str, int]) -> Json:
    """Build the first cluster file."""
    return built.cluster_file(_build_clusters(service, clusters))


def _build_clusters(service: str, clusters: Mapping[str, int]) -> list[Json]:
    return [
        built.build_cluster(name, f"{service};{version_of(name, service)}", [_local(port)])
        for name, port in clusters.items()
    ]


def _local(port: int) -> SocketAddress:
    return SocketAddress("127.0.0.1", port)
