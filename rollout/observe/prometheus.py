"""The one door to prometheus_api_client: asks, and says in words what went wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests

from rollout.errors import ObserveError
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
    """The server does not answer at all, as against refusing one query."""


class PrometheusObserver:
    """An Observer that asks each Prometheus once per metric for all rollouts.

    Nothing is tried again within a look: the next look is the retry, and its window reaches back
    to the last known sample. After a server was silent once, the look does not wait for it again.
    """

    def __init__(self, timeout: float = 5.0) -> None:
        self._timeout = timeout
        self._clients: dict[str, PrometheusConnect] = {}

    def observe(self, asks: Sequence[Ask], now: float) -> Mapping[str, Answer]:
        """Answers by rollout id, with samples up to `now`; never raises for an ailing source."""
        series: dict[str, dict[str, Any]] = {ask.rollout: {} for ask in asks}
        problems: dict[str, dict[str, str]] = {ask.rollout: {} for ask in asks}
        for reading in self._readings(asks, now):
            rollout, guardrail = reading.part.rollout, reading.part.guardrail
            if reading.problem:
                problems[rollout][guardrail] = reading.problem
            elif reading.series:
                series[rollout][guardrail] = reading.series
        return {rollout: Answer(series[rollout], problems[rollout]) for rollout in series}

    def history(self, ask: Ask, now: float) -> PodHistory:
        """Stable's past for a plan that declares pods; a silent server is waited for once."""
        past = PodHistory()
        for query in past_queries(ask, now):
            try:
                past = past.joined(pasts(query, self._past(query)))
            except ObserveError as error:
                names = [part.guardrail for part in query.parts]
                past = past.joined(PodHistory(problems=dict.fromkeys(names, str(error))))
                if isinstance(error, SilentError):
                    break
        return past

    def vector(self, url: str, text: str) -> list[tuple[dict[str, str], float]]:
        """What an instant query gives now: labels and value of each series. Raises ObserveError."""
        params = {"timeout": f"{self._timeout:g}s"}
        address = url.rstrip("/")
        found: Any = self._asked(
            address, lambda where: self._client(where).custom_query(text, params=params)
        )
        return [(dict(each["metric"]), float(each["value"][1])) for each in found]

    def close(self) -> None:
        """Close every connection; the next look opens them again."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    def _readings(self, asks: Sequence[Ask], now: float) -> Iterator[ParsedSamples]:
        silent: dict[str, ObserveError] = {}
        for query in queries(asks, now):
            url = query.source.url
            try:
                if url in silent:
                    raise silent[url]
                yield from parse(query, self._result(query, now))
            except ObserveError as error:
                if isinstance(error, SilentError):
                    silent[url] = error
                yield from (ParsedSamples(part, problem=str(error)) for part in query.parts)

    def _result(self, query: Query, now: float) -> object:
        params = {"time": f"{now:.3f}", "timeout": f"{self._timeout:g}s"}
        client = self._client
        return self._asked(
            query.source.url, lambda url: client(url).custom_query(query.text, params=params)
        )

    def _past(self, query: PastQuery) -> list[object]:
        """The answers to all chunks of a query."""

        def ask(url: str, chunk: Chunk) -> object:
            start, end = (datetime.fromtimestamp(at, UTC) for at in (chunk.start, chunk.end))
            # The client rounds to seconds; ours are exact.
            exact = {"start": f"{chunk.start:.3f}", "end": f"{chunk.end:.3f}"}
            params = {**exact, "timeout": f"{self._timeout:g}s"}
            step = f"{chunk.step:g}"
            return self._client(url).custom_query_range(query.text, start, end, step, params=params)

        return [
            self._asked(query.source.url, partial(ask, chunk=chunk)) for chunk in query.chunks()
        ]

    def _asked(self, url: str, ask: Callable[[str], object]) -> object:
        """What the server at an address answers. Raises ObserveError in words."""
        host = urlsplit(url).netloc.rpartition("@")[2]
        try:
            return ask(url)
        except requests.HTTPError as error:
            code = error.response.status_code
            said = f"{_REFUSALS.get(code, 'no success')} (HTTP {code})"
            raise ObserveError(f"Prometheus at {host} refuses: {said}") from None
        except (requests.exceptions.InvalidJSONError, LookupError, TypeError):
            raise ObserveError(f"Prometheus at {host} answers with something unreadable") from None
        except requests.RequestException as error:
            said = _silence(error, self._timeout)
            raise SilentError(f"Prometheus does not answer at {host}: {said}") from None

    def _client(self, url: str) -> PrometheusConnect:
        if url not in self._clients:
            from prometheus_api_client import PrometheusConnect

            # No retries: the client's own take 6 s for a dead server.
            self._clients[url] = PrometheusConnect(
                url, session=_Session(url), timeout=self._timeout, retry=0, method="POST"
            )
        return self._clients[url]


class _Session(requests.Session):
    """What the client leaves out: the query in the body, HTTP errors and partial answers raised."""

    def __init__(self, url: str) -> None:
        super().__init__()
        # Proxies and certificate settings of the environment are not meant for this machine.
        self.trust_env = urlsplit(url).hostname not in _LOOPBACK

    def request(self, *args: Any, **options: Any) -> requests.Response:
        # In the URL, where the client puts it, a fleet's query is too long for most servers.
        options["data"] = options.pop("params")
        response = super().request(*args, **options)
        response.raise_for_status()
        if _PARTIAL.search(response.content):
            body = response.json()
            if isinstance(body, dict) and (body.get("warnings") or body.get("isPartial")):
                raise ObserveError("Prometheus warns that its answer is incomplete")
        return response


def _silence(error: requests.RequestException, timeout: float) -> str:
    """Why nothing came back, in few words and without the request in them."""
    text = str(error)
    if isinstance(error, requests.Timeout) or "timed out" in text:
        return f"nothing within {timeout:g} s"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted"
    reasons = {"refused": "connection refused", "resolve": "unknown host"}
    return next((said for word, said in reasons.items() if word in text), "connection lost")
