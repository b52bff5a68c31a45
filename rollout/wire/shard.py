"""What one install carries out, and the Lease that its replicas stand for."""

from __future__ import annotations

from dataclasses import dataclass

from rollout.errors import InputError
from rollout.journal.location import JournalLocation, is_url


@dataclass(frozen=True)
class Shard:
    """What one install carries out; replicas of it share the journal and the Lease.

    `namespace` None is all of them. `lease` is `NAME` or `NAMESPACE/NAME`, None for one replica;
    `duration` is how long it is good, in seconds.
    """

    journal: JournalLocation
    namespace: str | None
    lease: str | None = None
    duration: float = 15.0
    triggers: bool = False

    @property
    def place(self) -> tuple[str, str]:
        """The Lease's namespace and name. Raises InputError."""
        if not is_url(self.journal) or str(self.journal).startswith("sqlite"):
            raise InputError("a journal in a file is one replica's: a Lease needs postgresql://")
        namespace, _, name = (self.lease or "").rpartition("/")
        namespace = namespace or self.namespace or ""
        if not (namespace and name):
            raise InputError("--lease for all namespaces is NAMESPACE/NAME")
        return namespace, name
