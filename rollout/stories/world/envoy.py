"""A local Envoy: the route file that it watches, and its admin port, as one process reaches them.

The file stands among the API server's objects, so that the same edits and the same checks meet it.
Envoy runs what its proxy has taken last: a file that is gone, or that it rejects, changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollout.answers.json_text import copy_json
from rollout.errors import ClusterError, RouteError
from rollout.kube.kinds import Json
from rollout.route.envoy.admin import EnvoyAccess, SilentEnvoyError
from rollout.route.envoy.proxy import EnvoyRouter
from rollout.route.envoy.walk import DUMP
from rollout.route.envoy.watched import UnusableFileError, settle_routes
from rollout.route.shape import settle
from rollout.stories.setting import CANARY, STABLE
from rollout.stories.world.apiserver import AcceptedWrite

if TYPE_CHECKING:
    from rollout.stories.world.process import SimulatedProcess

PLURAL = "envoyroutes"
_UNANSWERED = ("down", "throttled", "broken")
_UNWRITABLE = ("no-patch", "denies")


def open_envoy(process: SimulatedProcess, fence: Callable[[], None]) -> EnvoyRouter:
    """Return the production router of one process, over the simulated file and port."""

    def replace(service: str, manifest: Json) -> None:
        # A file has no version: a pause between fence and write is not noticed, nor simulated.
        _pass(process, "patch")
        fence()
        _store(process, service, manifest)

    return EnvoyRouter(
        lambda file, manifest: replace(file.stem, manifest),
        lambda route: SimulatedEnvoy(route, process),
    )


@dataclass(frozen=True)
class SimulatedEnvoy(EnvoyAccess):
    """What one process has of an Envoy."""

    process: SimulatedProcess

    def ask(self, path: str) -> str:
        """See EnvoyAccess."""
        self._reach()
        if path != "/clusters":
            return ""
        service = self.file.stem
        versions = [STABLE, CANARY, f"{CANARY}-shadow"]
        if self.process.world.api.has("no-cluster"):
            versions = versions[:1]
        return "".join(
            f"{service}-{name}::10.0.0.1:80::health_flags::healthy\n" for name in versions
        )

    def dump(self, resource: str) -> Json:
        """See EnvoyAccess."""
        self._reach()
        if resource != "dynamic_route_configs":
            return {"configs": []}
        routes = self.process.world.proxies[0].routes.get(self.file.stem) or {}
        file = (routes.get("spec") or {}).get("file") or {}
        version = file.get("version_info", "")
        configs = [
            {"version_info": version, "route_config": copy_json(config)}
            for config in file.get("resources") or []
        ]
        return settle({"configs": configs}, DUMP, "what Envoy dumps")

    def set_aside(self) -> str:
        """See EnvoyAccess; what was there is only noticed."""
        has_file = (PLURAL, self.file.stem) in self.process.world.api.objects
        return f"{self.file.name}.unusable" if has_file else ""

    def load(self) -> Json:
        """See EnvoyAccess."""
        live = self.process.world.api.objects.get((PLURAL, self.file.stem))
        if live is None:
            raise UnusableFileError(f"cannot read file {self.file}: it is gone")
        return settle_routes(copy_json((live.get("spec") or {}).get("file")), self.file)

    def _reach(self) -> None:
        _pass(self.process, "get")
        seconds = self.process.world.hanging.find_wait("meshes", self.file.stem)
        if seconds:
            self.process.clock.sleep(seconds)
            raise SilentEnvoyError(f"Envoy does not answer: no answer in {seconds:g} s")
        if any(map(self.process.world.api.has, _UNANSWERED)):
            raise RouteError("Envoy does not answer: connection refused", unread=True)


def _pass(process: SimulatedProcess, effect: str) -> None:
    try:
        process.effect(effect)
    except ClusterError as error:
        raise RouteError(str(error), unread=True) from None


def _store(process: SimulatedProcess, service: str, manifest: Json) -> None:
    """Replace the file. Raises RouteError."""
    api, key = process.world.api, (PLURAL, service)
    if any(map(api.has, _UNWRITABLE)):
        raise RouteError(f"cannot write file {service}.json: Permission denied")
    before = api.objects.get(key, {})
    body = {**before, "spec": {"file": manifest}}
    api.put(key, copy_json(body))
    api.on_write(AcceptedWrite(api.now(), process.name, key, before, api.objects[key]))
    if api.has("unclear"):
        raise RouteError(f"cannot write file {service}.json: Input/output error")
