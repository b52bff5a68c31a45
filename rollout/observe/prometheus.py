"""Queries Prometheus and describes what went wrong.

Only this module uses prometheus_api_client; `client` has the session that it sends queries by.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import requests
from urllib3.exceptions import HTTPError, LocationParseError

from rollout.answers.float_text import read_float
from rollout.answers.guarded import Permit, guard
from rollout.answers.http import WAITING
from rollout.errors import AddressError, ObserveError, QueryRefusedError
from rollout.observe.access.address import name_host
from rollout.observe.access.certificates import check_certificates
from rollout.observe.access.credentials import Accesses
from rollout.observe.access.server_time import ServerTime
from rollout.observe.bulk.collector import paused_collector
from rollout.observe.client import LIMITS, PrometheusSession, describe_silence
from rollout.observe.evidence import Evidence, RawPart, find_evidence, list_open
from rollout.observe.history import Chunk, PastQuery, past_queries, pasts
from rollout.observe.parse import ParsedSamples, parse
from rollout.observe.patience import Patience, SilentError, read_apart
from rollout.observe.pods.survey import PodLabel, find_shared, survey
from rollout.observe.query import Query, QueryPart, build_query, parts_of, queries_of
from rollout.observe.selectors.promql import name_each
from rollout.observe.selectors.source import Source, source_of
from rollout.observe.tally.counter import LastAnswer, LookCounter, Waiting
from rollout.observe.tally.digests import DigestKey
from rollout.observe.tally.look_answer import LookAnswer
from rollout.observe.tally.resume import Resumed, resume_queries
from rollout.plan.model.plan import Plan
from rollout.plan.model.prometheus import PrometheusServer
from rollout.ports import Answer, Ask, PodHistory

if TYPE_CHECKING:
    from prometheus_api_client import PrometheusConnect

_CANNOT_READ = {400, 422, 501}  # what a server answers that reads fewer queries than Prometheus
_LOOK = 3.0  # a look's queries to one server take so many time-outs in all


@dataclass(frozen=True)
class PrometheusClient:
    """A connection to one server; `stamps` tell when a certificate of its access was renewed.

    `read_date` returns when the newest answer was sent by the server's clock, if it said so.
    """

    connection: PrometheusConnect
    host: str
    timeout: float
    stamps: tuple[object, ...]
    read_date: Callable[[], float | None] = lambda: None


class PrometheusObserver:
    """An Observer that queries each Prometheus once per metric for all rollouts.

    There are no retries within a look: the next look is the retry, and its window reaches back
    to the last known sample. Once a server was silent, the look does not wait for it again.
    """

    def __init__(
        self,
        timeout: float = 5.0,
        accesses: Accesses | None = None,
        key: bytes | None = None,
        timer: Callable[[], float] = WAITING,
        permit: Permit = lambda _url: None,
        *,
        in_past: bool = False,
    ) -> None:
        """Use `key` for the digests in the journal; without it one that nobody else will know.

        `timeout` is in seconds; that of an access counts where it is longer. `permit` raises
        AddressError for an address that may not be asked here. `in_past`: looks are of samples of
        the past, so what time it is for a server says nothing.
        """
        self._in_past = in_past
        self._timeout, self._timer, self._permit = timeout, timer, permit
        self._accesses = accesses or Accesses()
        self._clients: dict[PrometheusServer, PrometheusClient] = {}
        self._times: dict[PrometheusServer, ServerTime] = {}
        # Servers that refuse regular expressions on metric names, as managed ones do.
        self._by_name: set[PrometheusServer] = set()
        self._hung: set[PrometheusServer] = set()  # at the newest look
        self._counter = LookCounter(DigestKey(key or os.urandom(32)))

    @paused_collector()
    def observe(self, asks: Sequence[Ask], now: float) -> Mapping[str, Answer]:
        """Return answers by rollout id, with samples up to `now`: counted where `marks` ask for it.

        `now` is our time; each server is asked by its own. Never raises for a failing source: its
        guardrails get a problem instead.
        """
        patience = Patience(self._timer)
        looks = {ask.rollout: LookAnswer(ask) for ask in asks}
        for samples in self._take_up(self._counter.begin(asks, now), patience):
            looks[samples.query_part.rollout].add(samples, self._counter)
        parts = [pair for ask in asks for pair in self._counter.continue_parts(ask)]
        for samples in self._read_all(parts, now, patience):
            looks[samples.query_part.rollout].add(samples, self._counter)
        patience.note(self._hung)
        for look in looks.values():
            look.skew = self._find_skew(look.ask)
        return {rollout: look.answer for rollout, look in looks.items()}

    _read_apart = staticmethod(read_apart)  # a simulation has its own: it knows no threads

    def find_hung(self, plan: Plan) -> str:
        """See rollout.ports.NoticesHangs."""
        if not self._hung:
            return ""
        sources = (source_of(plan, guardrail) for guardrail in plan.spec.guardrails)
        hung = (name_host(s.server.url) for s in sources if s.server in self._hung)
        return next(hung, "")

    def _find_skew(self, ask: Ask) -> float | None:
        """Return how far our clock is ahead of the servers of a rollout; None where none tells."""
        servers = {source.server for source, _ in parts_of(ask)}
        times = [self._times[server] for server in servers if server in self._times]
        return max((own.skew for own in times if own.is_known), key=abs, default=None)

    def history(self, ask: Ask, now: float) -> PodHistory:
        """Return stable's past, by pod or in total; wait only once for a silent server."""
        now -= self._find_skew(ask) or 0.0
        if ask.labels:
            return self._look_again(ask, now)
        try:
            labels = self._find_pods(ask, now)
        except SilentError as error:
            names = [guardrail.name for guardrail in ask.plan.spec.guardrails]
            return PodHistory(problems=dict.fromkeys(names, error.advice))
        awaited = {name: own.label for name, own in labels.items() if own.is_awaited}
        past = PodHistory(awaited=awaited)
        for query in past_queries(ask, now, labels):
            try:
                past = past.joined(pasts(query, self._run_range_query(query)))
            except ObserveError as error:
                names = [query_part.guardrail for query_part in query.parts]
                past = past.joined(PodHistory(problems=dict.fromkeys(names, error.advice)))
                if isinstance(error, SilentError):
                    break
        return past

    def _look_again(self, ask: Ask, now: float) -> PodHistory:
        """Return which labels in use have a value in both versions' series; none in doubt."""
        try:
            return PodHistory(shared=find_shared(ask, partial(self.vector, now=now)))
        except ObserveError:
            return PodHistory()

    def _find_pods(self, ask: Ask, now: float) -> Mapping[str, PodLabel]:
        """Return the labels of pods that the plan does not name; none where that is refused.

        Raises SilentError.
        """
        try:
            return survey(ask, partial(self.vector, now=now)) if ask.finds_pods else {}
        except SilentError:
            raise
        except ObserveError:
            return {}

    def vector(
        self, server: PrometheusServer, text: str, now: float | None = None
    ) -> list[tuple[dict[str, str], float]]:
        """Run an instant query; return labels and value of each series. Raises ObserveError."""
        rows: Any = self._query(server, text, {} if now is None else {"time": f"{now:.3f}"})
        try:
            return [(dict(row["metric"]), read_float(str(row["value"][1]))) for row in rows]
        except (ValueError, LookupError, TypeError):
            raise _build_unreadable(name_host(server.url)) from None

    def close(self) -> None:
        """Close every connection; the next look opens new ones."""
        for client in self._clients.values():
            client.connection.close()
        self._clients.clear()

    def _take_up(self, waiting: Sequence[Waiting], patience: Patience) -> Iterator[ParsedSamples]:
        """Read the last counted samples again; yield the parts for which that failed."""

        def read(resumed: Resumed) -> tuple[Resumed, LastAnswer | str]:
            text, source, until, _ = resumed
            try:
                result = self._read_once(source.server, text, until, patience)
                return resumed, self._counter.read_again(source, result)
            except ObserveError as error:
                return resumed, error.advice

        resumed = ((query[1].server, query) for query in resume_queries(waiting))
        for (_, source, _, pairs), answer in self._read_apart(resumed, read):
            for query_part, mark in pairs:
                try:
                    if isinstance(answer, str):
                        yield ParsedSamples(query_part, problem=answer)
                    else:
                        self._counter.take_up(source, query_part, mark, answer)
                except ObserveError as error:
                    yield ParsedSamples(query_part, problem=str(error))

    def _read_all(
        self, parts: Sequence[tuple[Source, QueryPart]], now: float, patience: Patience
    ) -> Iterator[ParsedSamples]:
        """Ask all servers at once."""
        for source, _ in parts:
            self._times.setdefault(source.server, ServerTime())
        items = ((query.source.server, query) for query in queries_of(parts, now))
        for samples in self._read_apart(
            items, partial(self._read_query, now=now, patience=patience)
        ):
            yield from samples

    def _read_query(self, query: Query, now: float, patience: Patience) -> list[ParsedSamples]:
        try:
            query, result, at = self._read_in_time(query, now, patience)
            find = partial(self._find_evidence, now=at, patience=patience)
            return parse(query, result, find, self._counter.find_catalogue(query.source))
        except ObserveError as error:
            problem = error.advice
        except Exception as error:  # noqa: BLE001 - one answer's fault is of its guardrails alone
            problem = f"the answer of Prometheus cannot be used ({type(error).__name__})"
        return [ParsedSamples(query_part, problem=problem) for query_part in query.parts]

    def _read_in_time(
        self, query: Query, now: float, patience: Patience
    ) -> tuple[Query, object, float]:
        """Ask at the server's time; once more where its answer shows that we took another one."""
        server = query.source.server
        own, at = self._times[server], now
        for _ in range(2):
            at = own.read(now)
            query = build_query(query.source, query.parts, at)
            result = self._read_once(server, query.text, at, patience)
            date = None if self._in_past else self._get_client(server).read_date()
            if not own.note(date, now + patience.elapsed):
                break
        return query, result, at

    def _read_once(
        self, server: PrometheusServer, text: str, now: float, patience: Patience
    ) -> object:
        """Return what `read` does, while a look waits for the server."""
        client = self._clients.get(server)
        timeout = self._timeout if client is None else client.timeout
        return patience.ask(server, _LOOK * timeout, lambda: self.read(server, text, now))

    def _find_evidence(
        self, query: Query, parts: Sequence[RawPart], now: float, patience: Patience
    ) -> Evidence:
        """Ask when the counters of series that were born or fell stood at 0."""
        run = partial(self._read_once, query.source.server, now=now, patience=patience)
        return find_evidence(query, list_open(parts), run)

    def read(self, server: PrometheusServer, text: str, now: float) -> object:
        """Return the result of an instant query at a time, unread. Raises ObserveError."""
        return self._query(server, text, {"time": f"{now:.3f}"})

    def _query(self, server: PrometheusServer, text: str, params: Mapping[str, str]) -> object:
        def ask(text: str, client: PrometheusClient) -> object:
            given = {**params, "timeout": f"{client.timeout:g}s"}
            return client.connection.custom_query(text, params=given)

        return self._ask_by_name(server, text, ask)

    def _run_range_query(self, query: PastQuery) -> list[object]:
        """Return the answers to all chunks of a query."""

        def ask(chunk: Chunk, text: str, client: PrometheusClient) -> object:
            start, end = (datetime.fromtimestamp(at, UTC) for at in (chunk.start, chunk.end))
            # The client rounds times to seconds, so these parameters overwrite its own.
            exact = {"start": f"{chunk.start:.3f}", "end": f"{chunk.end:.3f}"}
            params = {**exact, "timeout": f"{client.timeout:g}s"}
            step = f"{chunk.step:g}"
            return client.connection.custom_query_range(text, start, end, step, params=params)

        server, text = query.source.server, query.text
        return [self._ask_by_name(server, text, partial(ask, chunk)) for chunk in query.chunks()]

    def _ask_by_name(
        self, server: PrometheusServer, text: str, ask: Callable[[str, PrometheusClient], object]
    ) -> object:
        """Ask a query, and once for each metric where a server reads no choice of names."""
        texts = name_each(text)
        if server not in self._by_name:
            try:
                return self._ask(server, partial(ask, text))
            except QueryRefusedError as error:
                if error.code not in _CANNOT_READ or len(texts) == 1:
                    raise
        answers: list[Any] = [self._ask(server, partial(ask, named)) for named in texts]
        self._by_name.add(server)
        return [row for rows in answers for row in rows]

    def _ask(self, server: PrometheusServer, ask: Callable[[PrometheusClient], object]) -> object:
        """Return what a server answers. Raises ObserveError with a user's text.

        The URL stays out of the text, except for its host: it may contain a password.
        """
        try:
            client = self._get_client(server)
        except ValueError:
            raise _build_misspelt() from None
        try:
            return ask(client)
        except AddressError as error:
            raise SilentError(f"Prometheus is not asked: {error}") from None
        except (requests.exceptions.InvalidURL, LocationParseError, UnicodeError):
            raise _build_misspelt() from None
        except (OSError, HTTPError) as error:
            reason, cure = describe_silence(error, client.timeout)
            message = f"Prometheus does not answer at {client.host}: {reason}"
            raise SilentError(message, cure) from None
        except (ValueError, LookupError, TypeError):
            raise _build_unreadable(client.host) from None

    def _get_client(self, server: PrometheusServer) -> PrometheusClient:
        """Return the connection to a server; a new one where its access is another now."""
        target = self._accesses.resolve(server)
        stamps = target.stamp_files()
        client = self._clients.get(server)
        if client is None or client.stamps != stamps:
            from prometheus_api_client import PrometheusConnect

            if client is not None:
                client.connection.close()
            check_certificates(target)
            declared = target.access.timeout if target.access else None
            timeout = max(self._timeout, declared or 0.0)
            # No retries: with its own the client takes 6 s to give up on a dead server.
            session = PrometheusSession(target)
            connection = PrometheusConnect(
                target.base, session=session, timeout=timeout, retry=0, method="POST"
            )
            guard(session, LIMITS, self._permit)  # in place of the client's own transport
            client = self._clients[server] = PrometheusClient(
                connection, target.host, timeout, stamps, lambda: session.answered_at
            )
        return client


def _build_misspelt() -> ObserveError:
    return ObserveError("the address of Prometheus cannot be read", "mend its URL")


def _build_unreadable(host: str) -> ObserveError:
    message = f"Prometheus at {host} gives an unreadable answer"
    return ObserveError(message, "see what answers there: is it a Prometheus?")
