"""Toy versions and open-loop load that can be stopped, both of which count what really happened."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import aiohttp
from aiohttp import web

RATE = 150.0  # requests per second
_NONE = "none"  # the version of an answer that no version gave: Envoy's own, or nobody's
_TIMEOUT = aiohttp.ClientTimeout(total=10)


class ToyTraffic:
    """Versions that serve on `ports`, and load on `url` while it is `flowing`.

    `served` counts by (version, status) what the versions answered, `answers` what the load got;
    status 0 is a broken connection. `fail[version]` more requests will be answered with 503.
    """

    def __init__(self, url: str, ports: Mapping[str, int], seed: int = 1) -> None:
        self.url, self.ports = url, ports
        self.served: Counter[tuple[str, int]] = Counter()
        self.answers: Counter[tuple[str, int]] = Counter()
        self.fail: Counter[str] = Counter()
        self.first_failure: float | None = None  # unix time of the first answer by no version
        self.flowing = False
        self._dice = random.Random(seed)
        self._out: set[asyncio.Task[None]] = set()

    def flow(self) -> None:
        self.first_failure = None
        self.flowing = True

    def stop(self) -> None:
        """Send no more, and wait until every request has its answer."""
        self.flowing = False
        until = time.monotonic() + 60
        while self._out:
            assert time.monotonic() < until, "requests without an answer"
            time.sleep(0.01)

    async def run(self, ready: threading.Event, over: asyncio.Event) -> None:
        runners = [await self._serve(version, port) for version, port in self.ports.items()]
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as http:
            sending = asyncio.create_task(self._send(http))
            ready.set()
            await over.wait()
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sending
            await asyncio.gather(*self._out)
        for runner in runners:
            await runner.cleanup()

    async def _serve(self, version: str, port: int) -> web.AppRunner:
        async def answer(_: web.Request) -> web.Response:
            await asyncio.sleep(self._dice.lognormvariate(-4.6, 0.3))  # about 10 ms
            status = 503 if self.fail[version] > 0 else 200
            self.fail[version] -= status == 503
            self.served[version, status] += 1
            return web.Response(status=status, text=version, headers={"version": version})

        app = web.Application()
        app.router.add_get("/", answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        return runner

    async def _send(self, http: aiohttp.ClientSession) -> None:
        clock = asyncio.get_running_loop().time
        due = clock()
        while True:
            due = max(due, clock() - 1) + self._dice.expovariate(RATE)
            await asyncio.sleep(max(0.0, due - clock()))
            if self.flowing:
                task = asyncio.create_task(self._ask(http))
                self._out.add(task)
                task.add_done_callback(self._out.discard)

    async def _ask(self, http: aiohttp.ClientSession) -> None:
        try:
            async with http.get(self.url) as answer:
                version, status = answer.headers.get("version", _NONE), answer.status
                await answer.read()
        except (aiohttp.ClientError, TimeoutError):
            version, status = _NONE, 0
        self.answers[version, status] += 1
        if version == _NONE and self.first_failure is None:
            self.first_failure = time.time()


@contextmanager
def traffic(url: str, ports: Mapping[str, int]) -> Iterator[ToyTraffic]:
    """The versions serve, in a thread of their own; the load waits for `flow`."""
    traffic_of, ready = ToyTraffic(url, ports), threading.Event()
    loop, over = asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(traffic_of.run(ready, over),))
    thread.start()
    try:
        assert ready.wait(15), "the toy versions do not start"
        yield traffic_of
    finally:
        traffic_of.flowing = False
        loop.call_soon_threadsafe(over.set)
        thread.join(15)
        loop.close()
