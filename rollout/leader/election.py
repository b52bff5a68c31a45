"""Elects one of several replicas by a Kubernetes Lease, as client-go's leader election does.

How it works: a candidate measures time only with its own monotonic clock. The holder counts its
time from before it sent the last successful renewal; the others count from when they saw the Lease
change. So the holder always stops before another one starts, however far the wall clocks differ.
The times in the Lease itself are for people.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from rollout.errors import ClusterError
from rollout.kube.kinds import LEASE, Json, Kind

_NOT_FOUND, _CONFLICT = 404, 409


class Leases(Protocol):
    """The part of a cluster client that reads and writes Leases. All raise ClusterError."""

    def get(self, kind: Kind, namespace: str, name: str) -> Json: ...
    def create(self, kind: Kind, namespace: str, body: Json) -> Json: ...
    def replace(self, kind: Kind, namespace: str, name: str, body: Json) -> Json: ...


@dataclass(frozen=True)
class LeaseTimes:
    """The Lease's duration and the times derived from it, in seconds.

    A leader that cannot renew stops `deadline` after it sent its last successful renewal. Another
    replica may start `duration` after it saw that renewal. A third of the duration lies between
    the two, for requests under way.
    """

    duration: float = 15.0

    @property
    def deadline(self) -> float:
        """Client-go calls it the renew deadline."""
        return self.duration * 2 / 3

    @property
    def retry(self) -> float:
        """Time between two attempts: five fit into the deadline."""
        return self.duration / 7.5


@dataclass
class LeaderElector:
    """One replica that competes for a Lease.

    One thread calls `campaign`; others may ask whether the replica `leads`. `timer` is a monotonic
    clock in seconds; `now` is the wall clock, which is written to the Lease and never compared.
    `term` is the Lease's `leaseTransitions` while this replica holds it, else 0. A replica that is
    not `fit` gives the Lease up.
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
    _leads_until: float = 0.0
    _seen_version: str = ""
    _seen_at: float = 0.0

    @property
    def leads(self) -> bool:
        """Tell whether the Lease is certainly ours now."""
        return self.term > 0 and self.timer() < self._leads_until

    def try_acquire_or_renew(self) -> None:
        """Renew our Lease, or take one that is free or that its holder no longer renews.

        Raises ClusterError. The outcome is then unknown, and we lead no longer than the last
        successful renewal allows.
        """
        if not self.fit():
            self.release()
            return
        sent_at = self.timer()  # before any request, so that we never overestimate our time
        lease = self._read()
        if lease is None:
            self._write(self.leases.create, sent_at, self._build_lease())
            return
        spec = lease.get("spec") or {}
        self._observe(spec.get("holderIdentity") or "", lease["metadata"]["resourceVersion"])
        if self.leader == self.identity:
            # Ours without a term: we took it, but the answer to our write was lost.
            self._renew(lease, sent_at, self.term or spec.get("leaseTransitions", 0) + 1)
        elif not self.leader or self._has_expired(spec):
            self._renew(lease, sent_at, spec.get("leaseTransitions", 0) + 1)

    def release(self) -> None:
        """Give the Lease back, so that another replica need not wait. Raises ClusterError."""
        if not self.term:
            return
        self._leads_until = 0.0  # first: we must not lead while the Lease is being given up
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
        """Record who holds the Lease, and when we saw it change, by our own clock."""
        self.leader = leader
        if self.leader != self.identity:
            self._leads_until, self.term = 0.0, 0
        if version != self._seen_version:
            self._seen_version, self._seen_at = version, self.timer()

    def _has_expired(self, spec: Json) -> bool:
        """Tell whether the holder has not renewed for the duration that it wrote, or for ours.

        The longer one counts: replicas may be configured differently during an upgrade.
        """
        duration = max(float(spec.get("leaseDurationSeconds") or 0), self.times.duration)
        return self.timer() - self._seen_at >= duration

    def _renew(self, lease: Json, sent_at: float, term: int) -> None:
        spec = lease.get("spec") or {}
        acquired = spec.get("acquireTime") if self.term else None
        lease["spec"] = spec | self._build_spec(term, acquired)
        path = LEASE, self.namespace, self.name
        self._write(lambda *_: self.leases.replace(*path, lease), sent_at, lease)

    def _write(self, call: Callable[..., Json], sent_at: float, lease: Json) -> None:
        """Write the Lease at the version that we read.

        A conflict means that another replica was faster; the next attempt sees who it is.
        """
        try:
            call(LEASE, self.namespace, lease)
        except ClusterError as error:
            if error.status == _CONFLICT:
                return
            raise
        self.leader, self.term = self.identity, lease["spec"]["leaseTransitions"]
        self._leads_until = sent_at + self.times.deadline

    def _build_lease(self) -> Json:
        return {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.name,
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": self._build_spec(1, None),
        }

    def _build_spec(self, term: int, acquired: str | None) -> Json:
        now = datetime.fromtimestamp(self.now(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": max(1, round(self.times.duration)),
            "leaseTransitions": term,
            "acquireTime": acquired or now,
            "renewTime": now,
        }
