"""A real Envoy before toy versions, and load through it, for live tests and benchmarks."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from rollout.demo.servers.process import free_ports
from rollout.demo.servers.start import Envoy, start_envoy
from rollout.plan.model.plan import Plan

SERVICE = "summarizer"


@dataclass
class Toys:
    """Versions that answer with their name, after `?ms=` milliseconds and with `?status=`.

    Those in `failing` answer 503.
    """

    ports: Mapping[str, int]
    served: Counter[tuple[str, int]] = field(default_factory=Counter)
    failing: set[str] = field(default_factory=set)

    async def start(self) -> list[web.AppRunner]:
        return [await self._serve(version, port) for version, port in self.ports.items()]

    async def _serve(self, version: str, port: int) -> web.AppRunner:
        async def answer(request: web.Request) -> web.Response:
            status = 503 if version in self.failing else int(request.query.get("status", 200))
            await asyncio.sleep(float(request.query.get("ms", 0)) / 1000)
            self.served[version, status] += 1
            return web.Response(status=status, text=version)

        app = web.Application()
        app.router.add_get("/", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        return runner


@contextmanager
def toys(ports: Mapping[str, int]) -> Iterator[Toys]:
    """Toy versions that serve in a thread of their own."""
    served, started, over = Toys(ports), threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def main() -> None:
        runners = await served.start()
        started.set()
        await over.wait()
        for runner in runners:
            await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(main(),))
    thread.start()
    try:
        assert started.wait(10), "the toy versions do not start"
        yield served
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        loop.close()


@dataclass(frozen=True)
class LocalEnvoy:
    """Envoy, what is behind it, and the plan that moves v1's traffic to v2."""

    envoy: Envoy
    plan: Plan
    toys: Toys
    folder: Path
    ports: tuple[int, int]
    clusters: Mapping[str, int]

    def restart(self) -> Envoy:
        return start_envoy(self.folder, *self.ports, self.clusters, SERVICE)


@contextmanager
def mesh(folder: Path, dead: str = "", *, watched: bool = False) -> Iterator[LocalEnvoy]:
    """Envoy before v1 and v2; all traffic goes to v1. Nobody listens on the port of `dead`.

    It knows v2 by a second name, for copies. `watched` clusters stand in a file that Envoy reads
    again when it is replaced.
    """
    listen, admin, *backends = free_ports(4)
    versions = dict(zip(("v1", "v2"), backends, strict=True))
    clusters = {f"{SERVICE}-{version}": port for version, port in versions.items()}
    clusters[f"{SERVICE}-v2-shadow"] = versions["v2"]
    alive = {version: port for version, port in versions.items() if version != dead}
    started = start_envoy(folder, listen, admin, clusters, SERVICE, watched=watched)
    with toys(alive) as served, started as envoy:
        yield LocalEnvoy(envoy, plan_for(envoy), served, folder, (listen, admin), clusters)


def plan_for(envoy: Envoy, canary: str = "v2", **spec: Any) -> Plan:
    return Plan.model_validate(
        {
            "apiVersion": "surefoot.dev/v1alpha1",
            "kind": "RolloutPlan",
            "metadata": {"name": f"{SERVICE}-{canary}"},
            "spec": {
                "service": SERVICE,
                "stable": {"version": "v1"},
                "canary": {"version": canary},
                "route": {"envoy": {"file": str(envoy.file), "admin": envoy.admin}},
                "ramp": {"steps": ["5%", "50%"], "bake": "8s"},
                "guardrails": [
                    {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "1%"}}
                ],
                **spec,
            },
        }
    )


@dataclass(frozen=True)
class Reply:
    """One request: when it was sent (`time.perf_counter`), its seconds, status and version."""

    sent: float
    seconds: float
    status: int
    version: str


async def ask(
    http: aiohttp.ClientSession, url: str, headers: Mapping[str, str] | None = None
) -> Reply:
    """One GET; a broken connection is status 0."""
    sent = time.perf_counter()
    try:
        async with http.get(url, headers=headers) as response:
            status, text = response.status, await response.text()
    except aiohttp.ClientError as error:
        status, text = 0, str(error)
    return Reply(sent, time.perf_counter() - sent, status, text)


async def load(url: str, enough: asyncio.Event, connections: int = 4) -> list[Reply]:
    """Closed-loop load on keep-alive connections until `enough` is set."""
    replies: list[Reply] = []

    async def keep_asking(http: aiohttp.ClientSession) -> None:
        while not enough.is_set():
            replies.append(await ask(http, url))

    async with aiohttp.ClientSession() as http:
        await asyncio.gather(*(keep_asking(http) for _ in range(connections)))
    return replies


async def ask_many(url: str, count: int, connections: int = 16) -> list[Reply]:
    """`count` requests, `connections` at a time."""
    return await ask_as(url, [{}] * count, connections)


async def ask_as(
    url: str, headers: Sequence[Mapping[str, str]], connections: int = 16
) -> list[Reply]:
    """A request with each of these headers, `connections` at a time."""
    connector: Any = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=connector) as http:
        return list(
            await asyncio.gather(*(ask(http, url, user_headers) for user_headers in headers))
        )
