"""The evaluation job: it scores a share of the responses, late."""

from __future__ import annotations

import argparse
import asyncio
import re
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram

from rollout.demo.services.corpus import notes
from rollout.demo.services.scoring import EDGES, JUDGE, JUDGE_VERSION, NAME, PASS_MARK, score
from rollout.demo.services.serving import application, serve
from rollout.demo.services.versions import SERVICE

LABELS = ("service", "model_version", "gen_ai_evaluation_name", "judge", "judge_version")
_VERSION = re.compile(r"[A-Za-z0-9._-]{1,63}")


class Response(NamedTuple):
    """One answered request; its text never leaves this process."""

    note_id: str
    version: str
    summary: str


class Evaluator:
    """Scores `share` of the responses `delay` seconds after they arrive; seeded."""

    def __init__(self, share: float, delay: float, seed: int) -> None:
        self._share, self._delay = share, delay
        self._random = np.random.default_rng(seed)
        self.registry = CollectorRegistry()
        self._requested = self._create_counter("requested", "Evaluations asked for.")
        self._errors = self._create_counter("errors", "Evaluations that gave no score.")
        self._verdicts = self._create_counter(
            "verdicts",
            f"Scored summaries; pass: {PASS_MARK} or more.",
            "gen_ai_evaluation_score_label",
        )
        self._scores = Histogram(
            "gen_ai_evaluation_score",
            "Mean of ROUGE-L F1 and key-fact coverage.",
            LABELS,
            registry=self.registry,
            buckets=EDGES,
        )

    def _create_counter(self, what: str, text: str, *labels: str) -> Counter:
        name = f"gen_ai_evaluation_{what}_total"
        return Counter(name, text, (*LABELS, *labels), registry=self.registry)

    def app(self) -> web.Application:
        app = application(self.registry)
        app.router.add_post("/responses", self.receive)
        return app

    async def receive(self, request: web.Request) -> web.Response:
        """Accept a JSON list of {note_id, version, summary}; answer anything else with 400."""
        try:
            batch = [_parse_response(row) for row in await request.json()]
        except (ValueError, TypeError, KeyError) as error:
            return web.Response(status=400, text=f"{error}\n")
        chosen = [response for response in batch if self._random.random() < self._share]
        for response in chosen:
            self._requested.labels(*_build_labels(response)).inc()
        asyncio.get_running_loop().call_later(self._delay, self.evaluate, chosen)
        return web.json_response({"chosen": len(chosen)}, status=202)

    def evaluate(self, chosen: list[Response]) -> None:
        for response in chosen:
            labels = _build_labels(response)
            if response.note_id not in notes():
                self._errors.labels(*labels).inc()
                continue
            value = _score(response.note_id, response.summary)
            self._scores.labels(*labels).observe(value)
            self._verdicts.labels(*labels, "pass" if value >= PASS_MARK else "fail").inc()


def _parse_response(row: Any) -> Response:
    response = Response(row["note_id"], row["version"], row["summary"])
    if not all(isinstance(text, str) for text in response):
        raise TypeError("note_id, version and summary are strings")
    if not _VERSION.fullmatch(
        response.version
    ):  # it becomes a label value, which must not be free text
        raise ValueError("version is up to 63 letters, digits, dots, dashes and underscores")
    return response


def _build_labels(response: Response) -> tuple[str, ...]:
    return SERVICE, response.version, NAME, JUDGE, JUDGE_VERSION


@lru_cache(maxsize=4096)  # notes and so summaries repeat
def _score(note_id: str, summary: str) -> float:
    return score(notes()[note_id], summary)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="rollout.demo.services.evaluator", description=__doc__)
    parser.add_argument("--port", required=True, type=int)
    parser.add_argument("--share", type=float, default=0.6, help="share of responses to score")
    parser.add_argument("--delay", type=float, default=6.0, help="seconds before a score is known")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    first = next(iter(notes().values()))
    _score(first.id, first.reference)  # loads the slow imports before the first batch
    serve(Evaluator(given.share, given.delay, given.seed).app(), given.port)


if __name__ == "__main__":
    main()
