"""A summarizer as an HTTP service."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Iterator

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram

from rollout.demo.services.corpus import Note, notes
from rollout.demo.services.faults import Fate, Faults, fates, share_for_drop
from rollout.demo.services.serving import application, serve
from rollout.demo.services.versions import (
    ALGORITHMS,
    KNOWN,
    SERVICE,
    Summarizer,
    summarizer,
    truncated,
)
from rollout.errors import SurefootError

SECONDS = tuple(round(0.01 * 1.25**step, 6) for step in range(26))  # 10 ms to 2.6 s


class Service:
    """One version of the summarizer: its algorithm, its requests' fates and its metrics."""

    def __init__(
        self, version: str, summarize: Summarizer, fates: Iterator[Fate], *, crash: bool = False
    ) -> None:
        self._version, self._summarize, self._fates = version, summarize, fates
        self._crash = crash
        self.registry = CollectorRegistry()
        labels = ["service", "version"]
        self._requests = Counter(
            "summarizer_requests_total",
            "Requests answered.",
            [*labels, "code"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "gen_ai_server_request_duration_seconds",
            "Time to answer; error_type is empty for a success.",
            [*labels, "error_type"],
            registry=self.registry,
            buckets=SECONDS,
        )

    def app(self) -> web.Application:
        app = application(self.registry)
        app.router.add_route("*", "/summarize/{note_id}", self.answer)
        return app

    async def answer(self, request: web.Request) -> web.Response:
        """Answer 200 with the summary, 404 for an unknown note, or 500 for a drawn fault."""
        if self._crash:
            os._exit(1)  # at once and without an answer, like a killed process
        clock = asyncio.get_running_loop().time
        began = clock()
        note = notes().get(request.match_info["note_id"])
        if note is None:
            return self._reply(404, {"error": "unknown note"}, clock() - began)
        fate = next(self._fates)
        body = (
            {"error": "model failed"}
            if fate.failed
            else {"summary": self._summarize_note(note, fate)}
        )
        # The drawn delay is the whole answer time: the work done so far must not add to it.
        await asyncio.sleep(max(0.0, began + fate.delay - clock()))
        code = 500 if fate.failed else 200
        return self._reply(code, {"note_id": note.id, **body}, clock() - began)

    def _summarize_note(self, note: Note, fate: Fate) -> str:
        return truncated(note) if fate.truncated else self._summarize(note)

    def _reply(self, code: int, body: dict[str, str], seconds: float) -> web.Response:
        self._requests.labels(SERVICE, self._version, code).inc()
        error = "" if code == 200 else str(code)
        self._seconds.labels(SERVICE, self._version, error).observe(seconds)
        return web.json_response({"version": self._version, **body}, status=code)


def main(arguments: list[str] | None = None) -> None:
    given = _build_parser().parse_args(arguments)
    summarize = summarizer(given.algorithm or ALGORITHMS[given.version])
    try:
        share = share_for_drop(given.score_drop, summarize)
    except SurefootError as error:
        raise SystemExit(str(error)) from None
    faults = Faults(given.errors, given.tail_share, given.tail_factor, share, given.delay_ms / 1e3)
    drawn = fates(faults, [given.seed, *given.version.encode()])  # no two versions share fates
    service = Service(given.version, summarize, drawn, crash=given.crash)
    serve(service.app(), given.port)


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rollout.demo.services.service", description=__doc__)
    parser.add_argument("--version", required=True, choices=ALGORITHMS)
    parser.add_argument("--port", required=True, type=int)
    parser.add_argument("--algorithm", choices=KNOWN, help="default: the version's own")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--errors", type=_parse_share, default=0.005, help="share answered with 500"
    )
    parser.add_argument("--tail-share", type=_parse_share, default=0.0, help="share that is slow")
    parser.add_argument("--tail-factor", type=float, default=3.0, help="how much slower")
    parser.add_argument(
        "--score-drop", type=_parse_share, default=0.0, help="fall of the mean score"
    )
    parser.add_argument("--crash", action="store_true", help="die at the first request")
    parser.add_argument("--delay-ms", type=float, default=50.0, help="median delay of the model")
    return parser


def _parse_share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


if __name__ == "__main__":
    main()
