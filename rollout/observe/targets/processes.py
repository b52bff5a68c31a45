"""Which labels name the process that counted a series, and which series are sums over several."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

# Labels that name a process of its own: a target shows it only if its own series carry it too.
_NAMES_PROCESS = re.compile(
    r"(.*_)?(pod|instance|host|hostname|node|container|worker|pid|task|machine|shard)"
    r"(_(name|id|uid|ip))?|exported_job"
)
# Of these, what names one alone: a host, or a name that all containers of a kind have, does not.
_NAMES_ONE = re.compile(r"(.*_)?(pod|instance|worker|pid|task)(_(name|id|uid|ip))?")
Target = tuple[str, str]  # the labels job and instance

_RECORDED = ":"  # in names of metrics it is for recording rules alone


def read_process(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the labels that name the process which counted a series."""
    return tuple([(name, labels[name]) for name in _list_names(tuple(labels))])


@lru_cache(maxsize=256)
def _list_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return which of these labels name a process, in order; thousands of series have them."""
    return tuple(
        sorted(
            name for name in names if name in {"job", "instance"} or _NAMES_PROCESS.fullmatch(name)
        )
    )


def read_target(labels: Mapping[str, str]) -> Target | None:
    """Return the scraped target of a series; None without both labels."""
    job, instance = labels.get("job", ""), labels.get("instance", "")
    return (job, instance) if job and instance else None


def read_traits(labels: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """Return a series' labels but those that name a process."""
    return frozenset({*labels.items()} - {*read_process(labels)})


def is_sum(labels: Mapping[str, str]) -> bool:
    """Return whether a series may be a sum: it is recorded, or no label names a process."""
    if _RECORDED in labels.get("__name__", ""):
        return True
    return not _has_process(tuple(labels))


@lru_cache(maxsize=256)
def _has_process(names: tuple[str, ...]) -> bool:
    """Return whether one of these labels names a single process; thousands of series have them."""
    return any(_NAMES_ONE.fullmatch(name) for name in names)
