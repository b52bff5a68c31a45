"""Describes a shard: the journal, namespace and Lease that an installation works on."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from rollout.errors import InputError
from rollout.journal.location import JournalLocation, is_url
from rollout.observe.access.settings import NO_SETTINGS, PrometheusSettings
from rollout.plan.model.terms import FULL, Authority
from rollout.reach import Reach


@dataclass(frozen=True)
class Shard:
    """What one installation works on; its replicas share the journal and the Lease.

    `namespace` None means all namespaces. `lease` is `NAME` or `NAMESPACE/NAME`; None means a
    single replica without election. `duration` is the Lease's, in seconds. `key_file` holds
    the key of the digests in the journal; replicas share it. `reach` limits what plans may name,
    `authority` what is ours to do in each.
    """

    journal: JournalLocation
    namespace: str | None
    lease: str | None = None
    duration: float = 15.0
    triggers: bool = False
    key_file: Path | None = None
    settings: PrometheusSettings = NO_SETTINGS
    reach: Reach = field(default_factory=Reach)
    authority: Authority = FULL

    @property
    def place(self) -> tuple[str, str]:
        """The Lease's namespace and name. Raises InputError."""
        # A file can be locked but not taken over: two replicas need a database that fences.
        if not is_url(self.journal) or str(self.journal).startswith("sqlite"):
            raise InputError("a journal in a file is one replica's: a Lease needs postgresql://")
        namespace, _, name = (self.lease or "").rpartition("/")
        namespace = namespace or self.namespace or ""
        if not (namespace and name):
            raise InputError("--lease for all namespaces is NAMESPACE/NAME")
        return namespace, name
