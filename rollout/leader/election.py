"""Who of several replicas decides: the holder of a Lease, by its own clock and nobody else's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from rollout.errors import ClusterError
from rollout.kube.kinds import LEASE, Json, Kind

_NOT_FOUND, _CONFLICT = 404, 409


class Leases(Protocol):
    """The part of a cluster that holds Leases. All raise ClusterError."""

    def get(self, kind: Kind, namespace: str, name: str) -> Json: ...
    def create(self, kind: Kind, namespace: str, body: Json) -> Json: ...
    def replace(self, kind: Kind, namespace: str, name: str, body: Json) -> Json: ...


@dataclass(frozen=True)
class LeaseTimes:
    """For how long a Lease is good, in seconds, and what follows from it.

    A leader that could not renew stops at `deadline`, counted from before it asked; another one
    may begin `duration` after it saw the last renewal. So a third of it lies between the two.
    """

    duration: float = 15.0

    @property
    def deadline(self) -> float:
        return self.duration * 2 / 3

    @property
    def retry(self) -> float:
        return self.duration / 7.5


@dataclass
class LeaderElector:
    """One replica before a Lease. One thread campaigns; others may ask whether it leads.

    `timer` never goes back (seconds); `now` is the wall clock, which is shown and never compared.
    `term` numbers the tenures: it is the Lease's `leaseTransitions`, 0 while another one leads.
    While it is not `fit` to decide it leaves the Lease to others.
    """

    leases: Leases
    namespace: str
    name: str
    identity: str
    timer: Callable[[], float]
    now: Callable[[], float]
    times: LeaseTimes = LeaseTimes()
    fit: Callable[[], bool] = lambda: True
    term: int = 0
    leader: str = ""
    _until: float = 0.0
    _seen: str = ""
    _seen_at: float = 0.0

    @property
    def leads(self) -> bool:
        """Whether the Lease is ours for certain."""
        return self.term > 0 and self.timer() < self._until

    def campaign(self) -> None:
        """Take the Lease if it is free or nobody renews it, renew it if it is ours.

        Raises ClusterError; then nobody can say, and the time that is left goes by.
        """
        if not self.fit():
            self.release()
            return
        begun = self.timer()
        lease = self._read()
        if lease is None:
            self._write(self.leases.create, begun, self._new())
            return
        spec = lease.get("spec") or {}
        self._observe(spec.get("holderIdentity") or "", lease["metadata"]["resourceVersion"])
        if self.leader == self.identity:
            self._renew(lease, begun, self.term or spec.get("leaseTransitions", 0) + 1)
        elif not self.leader or self._is_over(spec):
            self._renew(lease, begun, spec.get("leaseTransitions", 0) + 1)

    def release(self) -> None:
        """Give the Lease back, so that another one need not wait. Raises ClusterError."""
        if not self.term:
            return
        self._until = 0.0
        lease = self._read()
        if lease and (lease.get("spec") or {}).get("holderIdentity") == self.identity:
            free = {"holderIdentity": "", "leaseDurationSeconds": 1}
            lease["spec"] = lease["spec"] | free
            self.leases.replace(LEASE, self.namespace, self.name, lease)
        self.term = 0

    def _read(self) -> Json | None:
        try:
            return self.leases.get(LEASE, self.namespace, self.name)
        except ClusterError as error:
            if error.status == _NOT_FOUND:
                return None
            raise

    def _observe(self, leader: str, version: str) -> None:
        """Note who holds it, and when we saw it change: two machines' clocks are not compared."""
        self.leader = leader
        if self.leader != self.identity:
            self._until, self.term = 0.0, 0
        if version != self._seen:
            self._seen, self._seen_at = version, self.timer()

    def _is_over(self, spec: Json) -> bool:
        """Whether its holder did not renew it for as long as that one itself promised."""
        lasts = max(float(spec.get("leaseDurationSeconds") or 0), self.times.duration)
        return self.timer() - self._seen_at >= lasts

    def _renew(self, lease: Json, begun: float, term: int) -> None:
        spec = lease.get("spec") or {}
        taken = spec.get("acquireTime") if self.term else None
        lease["spec"] = spec | self._spec(term, taken)
        place = LEASE, self.namespace, self.name
        self._write(lambda *_: self.leases.replace(*place, lease), begun, lease)

    def _write(self, call: Callable[..., Json], begun: float, lease: Json) -> None:
        """One guarded write; whoever was faster shows at the next attempt."""
        try:
            call(LEASE, self.namespace, lease)
        except ClusterError as error:
            if error.status == _CONFLICT:
                return
            raise
        self.leader, self.term = self.identity, lease["spec"]["leaseTransitions"]
        self._until = begun + self.times.deadline

    def _new(self) -> Json:
        return {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.name,
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": self._spec(1, None),
        }

    def _spec(self, term: int, taken: str | None) -> Json:
        now = datetime.fromtimestamp(self.now(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": max(1, round(self.times.duration)),
            "leaseTransitions": term,
            "acquireTime": taken or now,
            "renewTime": now,
        }
