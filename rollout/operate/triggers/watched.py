"""Finds the Deployment whose version comes next, and what stands against rolling it out.

Only a version whose pods stand beside those of stable can be tried: a Deployment that is updated in
place replaces the pods that serve all traffic, before anything is decided.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from rollout.kube.kinds import Json
from rollout.plan.kube.trigger import WatchedDeployments


@dataclass(frozen=True)
class WatchedVersion:
    """The Deployment that is considered, and its version; `problem` makes the trigger invalid.

    A problem comes with the version that the trigger shows: it must stay the one that was stable,
    so that the next tick finds the same problem.
    """

    deployment: Json | None
    version: str = ""
    problem: str = ""


def matching(
    watched: WatchedDeployments, namespace: str, deployments: Mapping[str, Json]
) -> list[Json]:
    """Return the Deployments that a trigger watches, the oldest first."""
    if watched.deployment is not None:
        deployment = deployments.get(f"{namespace}/{watched.deployment}")
        return [] if deployment is None else [deployment]
    wanted = (watched.selector or {}).items()
    chosen = [
        deployment
        for deployment in deployments.values()
        if deployment["metadata"].get("namespace", "default") == namespace
        and wanted <= (deployment["metadata"].get("labels") or {}).items()
    ]
    return sorted(chosen, key=_age)


def choose(
    watched: WatchedDeployments,
    deployments: Sequence[Json],
    stable: str,
    last: str,
    past: Collection[str],
) -> WatchedVersion:
    """Choose what comes next of the watched Deployments.

    `stable` is the service's stable version, `last` the version that the trigger showed last, and
    `past` the versions that were rolled out, or were stable, before. Where every version is of the
    past, the newest Deployment is chosen, so that the trigger shows what it leads to.
    """
    if watched.deployment is not None:
        return _check_single(watched, deployments[0], stable, last)
    running = [d for d in deployments if _is_running(d)]
    versions = [read_version(d, watched.label) for d in running]
    if any(versions) and stable not in versions:
        return WatchedVersion(None, last, _explain_missing(running, versions, stable))
    new = [(d, v) for d, v in zip(running, versions, strict=True) if v and v not in {stable, *past}]
    if new:  # the oldest first: otherwise an older version would follow a newer one
        return WatchedVersion(*new[0])
    latest = running or list(deployments)
    return WatchedVersion(latest[-1], read_version(latest[-1], watched.label))


def _explain_missing(running: Sequence[Json], versions: Sequence[str], stable: str) -> str:
    """Say that no template names the stable version, and what to do about it.

    A paused Deployment keeps its pods: those of its earlier template may be stable's.
    """
    for deployment, version in zip(running, versions, strict=True):
        if deployment["spec"].get("paused") and _count_pods(deployment)[1] > 0:
            return (
                f"Deployment {deployment['metadata']['name']} is paused with {version} in its "
                f"template, and no other watched one runs {stable}, which is stable: if its pods "
                f"are those of {stable}, an end of the pause would take them away. Put {stable} "
                f"back into its template, and run {version} in a Deployment of its own"
            )
    return (
        f"no watched Deployment runs {stable}, which is stable: a Deployment that is updated "
        f"in place takes its pods away. Run {stable} in a Deployment with the labels of "
        "`selector`, and each new version in another one"
    )


def _check_single(
    watched: WatchedDeployments, deployment: Json, stable: str, last: str
) -> WatchedVersion:
    """Refuse a Deployment that serves stable: its next version would replace stable's pods."""
    version = read_version(deployment, watched.label)
    if version and stable not in (version, last):
        return WatchedVersion(deployment, version)
    if not version:
        return WatchedVersion(deployment)
    name = watched.deployment
    return WatchedVersion(
        deployment,
        stable,
        f"Deployment {name} serves {stable}, which is stable: its next version would replace the "
        "pods that serve all traffic. Run each version in a Deployment of its own, or let two "
        "take turns, and watch them by `selector`",
    )


def read_version(deployment: Json, label: str) -> str:
    """Return the version that the pod template's label names; empty without it."""
    labels = deployment["spec"]["template"].get("metadata", {}).get("labels") or {}
    return str(labels.get(label, ""))


def describe_unready_pods(deployment: Json) -> str:
    """Return why the new pods cannot take traffic yet; empty if they can.

    Any version looks bad when it is judged before its pods are ready.
    """
    status, wanted = deployment.get("status") or {}, deployment["spec"].get("replicas", 1)
    new, old = _count_pods(deployment)
    # Available pods are counted over both versions: with no old pod left, they are the new ones.
    ready = min(new, status.get("availableReplicas", 0))
    if not _is_running(deployment):
        return "the Deployment is " + ("being deleted" if wanted else "scaled to nothing")
    if ready < wanted or old > 0:
        paused = "; it is paused" if deployment["spec"].get("paused") else ""
        return (
            f"waiting for the Deployment: {ready:,} of {wanted:,} new pods are ready, "
            f"{max(old, 0):,} old pods left{paused}"
        )
    return ""


def _count_pods(deployment: Json) -> tuple[int, int]:
    """Return how many pods are of the template as it is now, and how many of earlier ones.

    Until the Deployment controller has observed this generation, its counts are of the old pods.
    """
    status = deployment.get("status") or {}
    is_current = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    new = status.get("updatedReplicas", 0) if is_current else 0
    return new, status.get("replicas", 0) - new


def _is_running(deployment: Json) -> bool:
    """Return whether a Deployment is to have pods: it is not scaled to nothing or deleted."""
    is_deleted = deployment["metadata"].get("deletionTimestamp") is not None
    return bool(deployment["spec"].get("replicas", 1)) and not is_deleted


def _age(deployment: Json) -> tuple[str, str]:
    metadata = deployment["metadata"]
    return metadata.get("creationTimestamp", ""), metadata["name"]
