"""What one process has of the API server: its connection and its watches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rollout.errors import ClusterError
from rollout.kube.kinds import Json, Kind
from rollout.stories.world.apiserver import SimulatedApi

_TIMEOUT = 5.0  # seconds of one answer


@dataclass
class ApiClient:
    """One process's connection: its requests pass by the process's points of death."""

    server: SimulatedApi
    writer: str
    effect: Callable[[str], None]
    sleep: Callable[[float], None]

    def _reach(self, effect: str) -> None:
        """Pass a point of death; wait for nothing while the server hangs. Raises ClusterError."""
        self.effect(effect)
        if self.server.has("hangs"):
            self.sleep(_TIMEOUT)
            raise ClusterError(f"the API server does not answer: no answer in {_TIMEOUT:g} s", 0)

    def get(self, kind: Kind, namespace: str, name: str) -> Json:
        """See rollout.kube.client.Cluster."""
        del namespace
        self._reach("get")
        return self.server.fetch(kind, name)

    def patch(
        self, kind: Kind, namespace: str, name: str, body: Json, *, dry: bool = False
    ) -> Json:
        """See rollout.kube.client.Cluster."""
        del namespace
        self._reach("patch")
        patched = self.server.patch(kind, name, body, self.writer, dry=dry)
        self.effect("patched")
        return patched

    def apply(self, kind: Kind, namespace: str, body: Json) -> None:
        """See rollout.kube.client.Cluster; no plan here creates an object."""
        raise NotImplementedError

    def create(self, kind: Kind, namespace: str, body: Json) -> Json:
        """See rollout.kube.client.Cluster."""
        del namespace
        self._reach("lease")
        return self.server.create(kind, body)

    def replace(self, kind: Kind, namespace: str, name: str, body: Json) -> Json:
        """See rollout.kube.client.Cluster."""
        del namespace
        self._reach("lease")
        return self.server.replace(kind, name, body)

    def endpoint_slices(self, namespace: str, service: str) -> Sequence[Json]:
        """See rollout.kube.client.Cluster."""
        del namespace
        self.server.fail()
        version = service.rpartition("-")[2]
        return [{"endpoints": [{"conditions": {"ready": self.server.ready.get(version, True)}}]}]

    def service(self, namespace: str, name: str) -> Json:
        """See rollout.kube.client.Cluster."""
        del namespace
        self.server.fail()
        return {"spec": {"selector": {"app": name}}}

    def pods(self, namespace: str, labels: Mapping[str, str]) -> Sequence[Json]:
        """See rollout.kube.client.Cluster."""
        del namespace
        self.server.fail()
        status = "True" if self.server.ready.get(labels.get("version", ""), True) else "False"
        return [{"status": {"conditions": [{"type": "Ready", "status": status}]}}]


@dataclass
class SimulatedWatch:
    """A watch of one kind, as the informer shows it."""

    server: SimulatedApi
    kind: Kind

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def find(self, namespace: str, name: str) -> Json | None:
        """See rollout.kube.watches.Watch."""
        del namespace
        return self.server.watched(self.kind, name)
