"""Open-loop load whose answers go to the evaluator."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from rollout.demo.services.corpus import notes

OUTSTANDING = 500  # requests in flight; further ones are shed and counted
BATCH_SECONDS = 0.5
GRACE_SECONDS = 2.0  # to wait for answers at the end
_TIMEOUT = aiohttp.ClientTimeout(total=10)
_HAND_OVER_TIMEOUT = aiohttp.ClientTimeout(total=2)
_FAILURES = (aiohttp.ClientError, TimeoutError, OSError)


@dataclass
class Tally:
    """Counts of requests by result; `answers` are by (version or "none", HTTP status)."""

    sent: int = 0
    shed: int = 0
    failed: int = 0
    cancelled: int = 0
    handed_over: int = 0
    not_handed_over: int = 0
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)

    def document(self) -> dict[str, Any]:
        rows = [
            {"version": version, "status": status, "requests": count}
            for (version, status), count in sorted(self.answers.items())
        ]
        return {**vars(self), "answers": rows}


class Load:
    """Sends random notes as Poisson arrivals at `rate` per second, even if no answers come."""

    def __init__(self, url: str, rate: float, seed: int, evaluator: str | None = None) -> None:
        self._url, self._rate, self._evaluator = url.rstrip("/"), rate, evaluator
        self._random = np.random.default_rng(seed)
        self._notes = list(notes())
        self._outstanding: set[asyncio.Task[None]] = set()
        self._batch: list[dict[str, str]] = []
        self.tally = Tally()

    async def run(self, seconds: float, stop: asyncio.Event) -> None:
        """Send for `seconds` or until `stop` is set; then wait GRACE_SECONDS for answers."""
        connector = aiohttp.TCPConnector(limit=0)  # _start_request limits the requests in flight
        async with aiohttp.ClientSession(timeout=_TIMEOUT, connector=connector) as client:
            ended = asyncio.Event()
            handing_over = asyncio.create_task(self._hand_over_until(client, ended))
            await _run_until_first_done(self._send(client, seconds), stop.wait())
            await self._wait_for_answers()
            ended.set()
            await handing_over
            await self._hand_over(client)  # answers that came during its last post

    async def _send(self, client: aiohttp.ClientSession, seconds: float) -> None:
        clock = asyncio.get_running_loop().time
        due = began = clock()
        while (due := due + self._random.exponential(1 / self._rate)) < began + seconds:
            # Requests that became due during the sleep are sent at once: a late wake-up must not
            # reduce the traffic.
            await asyncio.sleep(max(0.0, due - clock()))
            self._start_request(client, self._notes[self._random.integers(len(self._notes))])

    def _start_request(self, client: aiohttp.ClientSession, note_id: str) -> None:
        if len(self._outstanding) >= OUTSTANDING:
            self.tally.shed += 1
            return
        self.tally.sent += 1
        task = asyncio.create_task(self._request(client, note_id))
        self._outstanding.add(task)
        task.add_done_callback(self._outstanding.discard)

    async def _request(self, client: aiohttp.ClientSession, note_id: str) -> None:
        try:
            async with client.get(f"{self._url}/summarize/{note_id}") as answer:
                body = _body(await answer.read())
        except _FAILURES:
            self.tally.failed += 1
            return
        except asyncio.CancelledError:
            self.tally.cancelled += 1
            raise
        self.tally.answers[str(body.get("version", "none")), answer.status] += 1
        if answer.status == 200 and "summary" in body and self._evaluator:
            self._batch.append(body)

    async def _wait_for_answers(self) -> None:
        if self._outstanding:
            _, late = await asyncio.wait(self._outstanding, timeout=GRACE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _hand_over_until(self, client: aiohttp.ClientSession, ended: asyncio.Event) -> None:
        while not ended.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), BATCH_SECONDS)
            await self._hand_over(client)

    async def _hand_over(self, client: aiohttp.ClientSession) -> None:
        """Post the answers since the last time to the evaluator.

        A batch that fails is counted and dropped, so that the evaluator never scores it twice.
        """
        batch, self._batch = self._batch, []
        if not (batch and self._evaluator):
            return
        try:
            url = f"{self._evaluator}/responses"
            async with client.post(url, json=batch, timeout=_HAND_OVER_TIMEOUT) as answer:
                answer.raise_for_status()
        except _FAILURES:
            self.tally.not_handed_over += len(batch)
        else:
            self.tally.handed_over += len(batch)


def _body(raw: bytes) -> dict[str, str]:
    with contextlib.suppress(ValueError):
        if isinstance(body := json.loads(raw), dict):
            return body
    return {}


async def _run_until_first_done(*coroutines: Coroutine[Any, Any, Any]) -> None:
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    for task in done:
        task.result()


async def _run_until_signal(load: Load, seconds: float) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await load.run(seconds, stop)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="rollout.demo.services.load", description=__doc__)
    parser.add_argument("--url", required=True, help="where the mesh listens")
    parser.add_argument("--rate", type=float, default=100.0, help="requests per second")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--evaluator", help="URL of the evaluation job")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the counts here instead of printing them")
    given = parser.parse_args(arguments)
    load = Load(given.url, given.rate, given.seed, given.evaluator)
    asyncio.run(_run_until_signal(load, given.seconds))
    text = json.dumps(load.tally.document()) + "\n"
    if given.json:
        given.json.write_text(text)
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
