"""Queries Prometheus and describes what went wrong.

Only this module uses prometheus_api_client.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests

from analysis.counting.origin import Origins
from rollout.errors import ObserveError
from rollout.observe.evidence import Evidence, RawPart, find_evidence, list_open
from rollout.observe.history import Chunk, PastQuery, past_queries, pasts
from rollout.observe.parse import ParsedSamples, parse
from rollout.observe.query import Query, queries
from rollout.ports import Answer, Ask, PodHistory

if TYPE_CHECKING:
    from prometheus_api_client import PrometheusConnect

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_PARTIAL = re.compile(rb'"(warnings|isPartial)"\s*:')
_REFUSALS = {
    400: "it cannot read the query",
    401: "access denied",
    403: "access denied",
    404: "there is no Prometheus API",
    422: "it cannot carry out the query; is it too large?",
    429: "it is overloaded",
    503: "it is overloaded or starting",
}


class SilentError(ObserveError):
    """The server does not answer at all, as opposed to refusing one query."""


class PrometheusObserver:
    """An Observer that queries each Prometheus once per metric for all rollouts.

    There are no retries within a look: the next look is the retry, and its window reaches back
    to the last known sample. Once a server was silent, the look does not wait for it again.
    """

    def __init__(self, timeout: float = 5.0) -> None:
        self._timeout = timeout
        self._clients: dict[str, PrometheusConnect] = {}

    def observe(self, asks: Sequence[Ask], now: float) -> Mapping[str, Answer]:
        """Return answers by rollout id, with samples up to `now`.

        Never raises for a failing source: its guardrails get a problem instead.
        """
        series: dict[str, dict[str, Any]] = {ask.rollout: {} for ask in asks}
        problems: dict[str, dict[str, str]] = {ask.rollout: {} for ask in asks}
        origins: dict[str, dict[str, Origins]] = {ask.rollout: {} for ask in asks}
        unbelieved: dict[str, dict[str, tuple[str, ...]]] = {ask.rollout: {} for ask in asks}
        for samples in self._read_all(asks, now):
            rollout, guardrail = samples.query_part.rollout, samples.query_part.guardrail
            if samples.problem:
                problems[rollout][guardrail] = samples.problem
            elif samples.series:
                series[rollout][guardrail] = samples.series
                origins[rollout][guardrail] = samples.origins
                if samples.unbelieved:
                    unbelieved[rollout][guardrail] = samples.unbelieved
        return {
            rollout: Answer(
                series[rollout], problems[rollout], origins[rollout], unbelieved[rollout]
            )
            for rollout in series
        }

    def history(self, ask: Ask, now: float) -> PodHistory:
        """Return stable's past if the plan declares pods; wait only once for a silent server."""
        past = PodHistory()
        for query in past_queries(ask, now):
            try:
                past = past.joined(pasts(query, self._run_range_query(query)))
            except ObserveError as error:
                names = [query_part.guardrail for query_part in query.parts]
                past = past.joined(PodHistory(problems=dict.fromkeys(names, str(error))))
                if isinstance(error, SilentError):
                    break
        return past

    def vector(self, url: str, text: str) -> list[tuple[dict[str, str], float]]:
        """Run an instant query; return labels and value of each series. Raises ObserveError."""
        params = {"timeout": f"{self._timeout:g}s"}
        address = url.rstrip("/")
        rows: Any = self._ask(
            address, lambda where: self._get_client(where).custom_query(text, params=params)
        )
        return [(dict(row["metric"]), float(row["value"][1])) for row in rows]

    def close(self) -> None:
        """Close every connection; the next look opens new ones."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    def _read_all(self, asks: Sequence[Ask], now: float) -> Iterator[ParsedSamples]:
        silent: dict[str, ObserveError] = {}
        for query in queries(asks, now):
            url = query.source.url
            try:
                if url in silent:
                    raise silent[url]
                result = self.read(query.source.url, query.text, now)
                yield from parse(query, result, partial(self._find_evidence, now=now))
            except ObserveError as error:
                if isinstance(error, SilentError):
                    silent[url] = error
                yield from (
                    ParsedSamples(query_part, problem=str(error)) for query_part in query.parts
                )

    def _find_evidence(self, query: Query, parts: Sequence[RawPart], now: float) -> Evidence:
        """Ask when the counters of series that were born or fell stood at 0."""
        run = partial(self.read, query.source.url, now=now)
        return find_evidence(query, list_open(parts), run)

    def read(self, url: str, text: str, now: float) -> object:
        """Return the result of an instant query at a time, unread. Raises ObserveError."""
        params = {"time": f"{now:.3f}", "timeout": f"{self._timeout:g}s"}
        client = self._get_client
        return self._ask(url, lambda where: client(where).custom_query(text, params=params))

    def _run_range_query(self, query: PastQuery) -> list[object]:
        """Return the answers to all chunks of a query."""

        def ask(url: str, chunk: Chunk) -> object:
            start, end = (datetime.fromtimestamp(at, UTC) for at in (chunk.start, chunk.end))
            # The client rounds times to seconds, so these parameters overwrite its own.
            exact = {"start": f"{chunk.start:.3f}", "end": f"{chunk.end:.3f}"}
            params = {**exact, "timeout": f"{self._timeout:g}s"}
            step = f"{chunk.step:g}"
            return self._get_client(url).custom_query_range(
                query.text, start, end, step, params=params
            )

        return [self._ask(query.source.url, partial(ask, chunk=chunk)) for chunk in query.chunks()]

    def _ask(self, url: str, ask: Callable[[str], object]) -> object:
        """Return what the server at an address answers. Raises ObserveError with a user's text.

        The URL stays out of the text, except for its host: it may contain a password.
        """
        host = urlsplit(url).netloc.rpartition("@")[2]
        try:
            return ask(url)
        except requests.HTTPError as error:
            code = error.response.status_code
            reason = f"{_REFUSALS.get(code, 'no success')} (HTTP {code})"
            raise ObserveError(f"Prometheus at {host} refuses: {reason}") from None
        except (requests.exceptions.InvalidJSONError, LookupError, TypeError):
            raise ObserveError(f"Prometheus at {host} gives an unreadable answer") from None
        except requests.RequestException as error:
            reason = _describe_silence(error, self._timeout)
            raise SilentError(f"Prometheus does not answer at {host}: {reason}") from None

    def _get_client(self, url: str) -> PrometheusConnect:
        if url not in self._clients:
            from prometheus_api_client import PrometheusConnect

            # No retries: with its own the client takes 6 s to give up on a dead server.
            self._clients[url] = PrometheusConnect(
                url, session=_Session(url), timeout=self._timeout, retry=0, method="POST"
            )
        return self._clients[url]


class _Session(requests.Session):
    """A session that sends the query in the body and raises HTTP errors and partial answers.

    The client does none of these.
    """

    def __init__(self, url: str) -> None:
        super().__init__()
        # A server on this machine is reached without the environment's proxies and certificates.
        self.trust_env = urlsplit(url).hostname not in _LOOPBACK

    def request(self, *args: Any, **options: Any) -> requests.Response:
        # The client puts the query in the URL; a fleet's query is too long there for most servers.
        options["data"] = options.pop("params")
        response = super().request(*args, **options)
        response.raise_for_status()
        if _PARTIAL.search(response.content):
            body = response.json()
            if isinstance(body, dict) and (body.get("warnings") or body.get("isPartial")):
                raise ObserveError("Prometheus warns that its answer is incomplete")
        return response


def _describe_silence(error: requests.RequestException, timeout: float) -> str:
    """Return a short reason why no answer came, without the request in it."""
    text = str(error)
    if isinstance(error, requests.Timeout) or "timed out" in text:
        return f"nothing within {timeout:g} s"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted"
    reasons = {"refused": "connection refused", "resolve": "unknown host"}
    return next((reason for word, reason in reasons.items() if word in text), "connection lost")
