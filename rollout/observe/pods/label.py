"""Which label tells the pods of one version apart, by the labels of both versions' series.

A pod serves one version, so its name occurs in one. Whoever calls both, or counts for both, has a
name that occurs in both: a client, a gateway, a judge. So the values decide, and names only narrow
the choice, since a canary with a single series shares few values of any label. In doubt there is no
such label.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

Labels = Mapping[str, str]

_LEAST_PODS = 2  # a difference between pods needs two of them
_OF = r"(_?(name|id|uid|ip))?"
# What names a process, best first. A node may hold pods of both versions, and then again not; what
# is called host, server or endpoint is as often what was asked for.
_NAMES = tuple(
    re.compile(pattern)
    for pattern in (
        "pod",
        rf"((exported|kubernetes|k8s)_)?pod{_OF}",
        rf"(.*_)?pod{_OF}",
        "instance",
        rf"(?!.*kubernetes_io_)(.*_)?instance{_OF}",  # Kubernetes' own label names a release
        rf"(.*_)?(hostname|replica){_OF}|(.*_)?(container|task)_id",
    )
)
_HOME = re.compile(r"((exported|kubernetes|k8s)_)?(namespace|cluster)(_name|_id|_uid)?")
# Who calls, stands between or collects is no server, whatever its values.
_CALLS = re.compile(
    r"(.*_)?(source|src|client|caller|downstream|peer|remote|origin|consumer|requester|user|judge"
    r"|evaluator|reporter|prometheus|collector|exporter|gateway|ingress|controller|proxy)(_.*)?"
)


def find_label(
    stable: Sequence[Labels], canary: Sequence[Labels], fixed: Collection[str]
) -> str | None:
    """Return the label that tells the pods of both versions apart; None where none surely does.

    It is in every series, has several values for stable, and none of them in both versions. Without
    a series of the canary it is the label that may turn out to be one. `fixed` are labels whose
    meaning is declared.
    """
    if not stable:
        return None
    candidates = set.intersection(*({*labels} for labels in (*stable, *canary))) - {*fixed}
    ranked = sorted((rank, name) for name in candidates if (rank := _rank(name)) is not None)
    return next((name for _, name in ranked if _tells_apart(name, stable, canary)), None)


def is_shared(name: str, stable: Iterable[Labels], canary: Iterable[Labels]) -> bool:
    """Return whether one value of a label is in both versions' series."""
    of_stable, of_canary = ({labels.get(name, "") for labels in arm} for arm in (stable, canary))
    return bool((of_stable & of_canary) - {""})


def _rank(name: str) -> int | None:
    """Return how surely a label of this name names a process, 0 most; None where it does not."""
    if _CALLS.fullmatch(name):
        return None
    return next((rank for rank, pattern in enumerate(_NAMES) if pattern.fullmatch(name)), None)


def _tells_apart(name: str, stable: Sequence[Labels], canary: Sequence[Labels]) -> bool:
    of_stable, of_canary = ({labels[name] for labels in arm} for arm in (stable, canary))
    if "" in of_stable | of_canary or len(of_stable) < _LEAST_PODS or of_stable & of_canary:
        return False
    every = (*stable, *canary)
    return not (_is_crossed(name, every) or _is_reused(name, every))


def _is_reused(name: str, series: Iterable[Labels]) -> bool:
    """Return whether one value stands in several namespaces or clusters.

    Replicas of stateful sets are called alike in each: they would be counted as one pod.
    """
    homes = defaultdict(set)
    for labels in series:
        home = frozenset(item for item in labels.items() if _HOME.fullmatch(item[0]))
        homes[labels[name]].add(home)
    return any(len(own) > 1 for own in homes.values())


def _is_crossed(name: str, series: Iterable[Labels]) -> bool:
    """Return whether a value stands at several scraped targets, and a target has several values.

    Then it names who is at the other end of the requests that the targets count.
    """
    targets, values = defaultdict(set), defaultdict(set)
    for labels in series:
        target = labels.get("job", ""), labels.get("instance", "")
        targets[labels[name]].add(target)
        values[target].add(labels[name])
    return any(len(own) > 1 for own in targets.values()) and any(
        len(own) > 1 for own in values.values()
    )
