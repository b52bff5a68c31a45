"""Backends at pods' own addresses and load through Envoys; each request is counted at both ends."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import numpy as np
from aiohttp import web

PORT = 9080  # of every backend; no gateway listens on it
_NUMBER = "x-number"
_TIMEOUT = aiohttp.ClientTimeout(total=10)


@dataclass(frozen=True)
class Arrival:
    """A request where it arrived; `number` is the client's."""

    number: int
    version: str


@dataclass(frozen=True)
class Request:
    """A request as its client sent it and what came back (unix times); status 0 is none."""

    number: int
    stream: str
    proxy: str
    sent: float
    answered: float
    status: int
    version: str


@dataclass(frozen=True)
class Stream:
    """Requests of one kind, `rate` a second: where they are sent, and as what."""

    name: str
    proxy: str
    url: str
    host: str
    rate: float
    headers: Mapping[str, str] = field(default_factory=dict)


class MeshTraffic:
    """Serves in every pod, and sends every stream; what runs in pods is told by their labels."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.requests: list[Request] = []
        self.errors: dict[tuple[str, str], float] = {}  # share of bad answers of a version
        self._numbers = itertools.count(1)
        self._dice = np.random.default_rng(11)
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._sites: dict[str, web.AppRunner] = {}
        self._streams: dict[str, asyncio.Task[None]] = {}
        self._out: set[asyncio.Task[None]] = set()
        self._http: aiohttp.ClientSession

    @contextmanager
    def running(self) -> Iterator[MeshTraffic]:
        ready = threading.Event()
        thread = threading.Thread(target=self._loop.run_until_complete, args=(self._main(ready),))
        thread.start()
        try:
            assert ready.wait(10)
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._over.set)
            thread.join(20)
            self._loop.close()

    async def _main(self, ready: threading.Event) -> None:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(timeout=_TIMEOUT, connector=connector) as self._http:
            ready.set()
            await self._over.wait()
            for task in self._streams.values():
                task.cancel()
            await asyncio.gather(*self._streams.values(), *self._out, return_exceptions=True)
        for runner in self._sites.values():
            await runner.cleanup()

    def _call(self, coroutine: Any) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(15)

    # What runs in the pods

    def start(self, pod: dict[str, Any], address: str) -> None:
        """Serve at a pod's address, if its labels name a version of a service."""
        labels = pod["metadata"].get("labels", {})
        if {"app", "version"} <= labels.keys():
            self._call(self._serve(labels["app"], labels["version"], address))

    def stop(self, address: str) -> None:
        if runner := self._sites.pop(address, None):
            self._call(runner.cleanup())

    async def _serve(self, service: str, version: str, address: str) -> None:
        async def answer(request: web.Request) -> web.Response:
            number = int(request.headers.get(_NUMBER, 0))
            self.arrivals.append(Arrival(number, version))
            is_bad = self._dice.random() < self.errors.get((service, version), 0.0)
            return web.Response(status=500 if is_bad else 200, text=version)

        app = web.Application()
        app.router.add_get("/{path:.*}", answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, address, PORT).start()
        self._sites[address] = runner

    # What clients send

    def flow(self, *streams: Stream) -> None:
        """Send these streams from now on."""

        async def begin() -> None:
            for stream in streams:
                self._streams[stream.name] = asyncio.create_task(self._send(stream))

        self._call(begin())

    def rest(self, *names: str) -> None:
        """Send no more, or no more of these streams; wait until every request has its answer."""

        async def end() -> None:
            tasks = [self._streams.pop(name) for name in names or [*self._streams]]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(*self._out)

        self._call(end())

    async def _send(self, stream: Stream) -> None:
        clock = self._loop.time
        due = clock()
        while True:
            due = max(due, clock() - 1) + self._dice.exponential(1 / stream.rate)
            await asyncio.sleep(max(0.0, due - clock()))
            task = asyncio.create_task(self._ask(stream))
            self._out.add(task)
            task.add_done_callback(self._out.discard)

    async def _ask(self, stream: Stream) -> None:
        number = next(self._numbers)
        headers = {**stream.headers, "Host": stream.host, _NUMBER: str(number)}
        sent = time.time()
        try:
            async with self._http.get(stream.url, headers=headers) as answer:
                status, version = answer.status, await answer.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            status, version = 0, repr(error)
        answered = time.time()
        self.requests.append(
            Request(number, stream.name, stream.proxy, sent, answered, status, version[:80])
        )
