"""The requests that are really served, by version: the truth that controllers are held against."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from rollout.kube.kinds import Json
from rollout.stories.setting import (
    CANARY,
    DECISIONS,
    STABLE,
    STABLE_ERRORS,
    TIMES,
    TOKENS,
    Setting,
)
from rollout.stories.world.exporters import (
    DURATIONS,
    EDGES,
    REQUESTS,
    STRICTNESS,
    VERDICTS,
    Labels,
    SimulatedExporter,
    ask_people,
    compare_pairs,
    duration_labels,
    find_judge,
    request_labels,
    sum_labels,
    verdict_labels,
)
from rollout.stories.world.routes import Shares

_HARM = {"harmful": 0.25, "dead": 1.0, "perfect": 0.0, "edge": 0.06}
_TOKENS = 200.0  # of a request
_LATE = 45.0  # seconds until a canary that is late to fail does
_SLOW, _FAST = (0.1, 0.5, 0.3, 0.09, 0.01), (0.3, 0.6, 0.09, 0.01, 0.0)


@dataclass
class ClientProxy:
    """A client: its proxy's exporter, its share of all requests, and the routes that it knows."""

    exporter: SimulatedExporter
    weight: float
    shares: Mapping[str, Shares]
    routes: Mapping[str, Json]  # what it has taken, by service
    is_cut_off: bool = False
    ejects: float = 0.0  # share of the canary's requests that its outlier ejection sends to stable
    extra_errors: float = 0.0  # share of its requests that the canary fails, and no other client's
    draws: float = 0.0  # share of stable's requests that cookies keep with a canary that has weight


@dataclass(frozen=True)
class Ledger:
    """What was served until a time, by version: all and failed requests, and copies."""

    at: float
    served: Mapping[str, int]
    failed: Mapping[str, int]


@dataclass
class ServiceTraffic:
    """The requests of one service, drawn whenever time passes.

    `served` and `failed` count users' requests and, since proxies count them alike, copies that a
    mirror sends; `users` counts only the former. `is_up` is whether a version has ready pods.
    `kind` is the canary's behaviour. All are by version; `ledgers` are their history.
    """

    service: str
    setting: Setting
    dice: np.random.Generator
    begun_at: float
    rate: float
    kind: str
    proxies: list[ClientProxy] = field(default_factory=list)
    judge: SimulatedExporter | None = None
    at: float = 0.0
    served: dict[str, int] = field(default_factory=lambda: {STABLE: 0, CANARY: 0})
    failed: dict[str, int] = field(default_factory=lambda: {STABLE: 0, CANARY: 0})
    users: dict[str, int] = field(default_factory=lambda: {STABLE: 0, CANARY: 0})
    tokens: dict[str, int] = field(default_factory=lambda: {STABLE: 0, CANARY: 0})
    is_up: dict[str, bool] = field(default_factory=lambda: {STABLE: True, CANARY: True})
    extra_errors: dict[str, float] = field(default_factory=lambda: {STABLE: 0.0, CANARY: 0.0})
    pairs: int = 0  # that a judge decided
    judged: float = 1.0  # share of the canary's answers that the judge scores
    bad_judged: float = 1.0  # times as many of the canary's bad answers are judged as of stable's
    harmful_from: float | None = None
    ledgers: list[Ledger] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.at = self.begun_at
        self._note()

    def flow(self, until: float) -> None:
        """Serve the requests up to a time, by the shares that the proxies have now."""
        seconds, self.at = until - self.at, max(until, self.at)
        if seconds <= 0:
            return
        for proxy in self.proxies:
            self._serve(proxy, proxy.weight * self.rate * seconds)
        self._note()

    def share(self) -> float:
        """Return the share of users' requests that the canary gets now."""
        total = sum(proxy.weight for proxy in self.proxies)
        parts = (proxy.weight * self._canary_share(proxy) for proxy in self.proxies)
        return sum(parts) / total if total else 0.0

    def compare_tokens(self) -> float:
        """Return how many times as many tokens a request of the canary has had; 0 without any."""
        if not (self.tokens[CANARY] and self.tokens[STABLE]):
            return 0.0
        means = {version: count / self.served[version] for version, count in self.tokens.items()}
        return means[CANARY] / means[STABLE]

    def copies(self) -> float:
        """Return the share of users' requests of which the canary gets a copy now."""
        total = sum(proxy.weight for proxy in self.proxies)
        parts = (proxy.weight * proxy.shares[self.service].copied for proxy in self.proxies)
        return sum(parts) / total if total else 0.0

    def errors(self, version: str) -> float:
        """Return a version's true share of failed requests now."""
        if not self.is_up[version]:
            return 1.0
        extra = self.extra_errors[version]
        if version == STABLE:
            return _as_share(STABLE_ERRORS + extra)
        kind = self.kind
        if kind == "late":
            kind = "harmful" if self.at - self.begun_at >= _LATE else "same"
        return _as_share(_HARM.get(kind, STABLE_ERRORS) + extra)

    def until(self, at: float) -> Ledger:
        """Return the ledger of the newest time that is not later."""
        index = bisect_right(self.ledgers, at, key=lambda ledger: ledger.at)
        return self.ledgers[max(index - 1, 0)]

    def find_failures(self, version: str, after: float) -> tuple[float, float] | None:
        """Return when a version failed first and last after a time; None where it did not."""
        index = max(bisect_right(self.ledgers, after, key=lambda ledger: ledger.at) - 1, 0)
        counts = [(ledger.at, ledger.failed[version]) for ledger in self.ledgers[index:]]
        times = [at for (_, old), (at, new) in pairwise(counts) if new > old]
        return (times[0], times[-1]) if times else None

    def _canary_share(self, proxy: ClientProxy) -> float:
        share = proxy.shares[self.service].canary * (1 - proxy.ejects)
        return share + proxy.draws * (1 - share) if share else 0.0

    def _serve(self, proxy: ClientProxy, expected: float) -> None:
        requests = int(self.dice.poisson(expected))
        canary = int(self.dice.binomial(requests, self._canary_share(proxy)))
        copied = proxy.shares[self.service].copied
        copies = int(self.dice.binomial(requests, copied)) if copied else 0
        self.users[CANARY] += canary
        self.users[STABLE] += requests - canary
        self._answer(proxy, CANARY, canary + copies)
        self._answer(proxy, STABLE, requests - canary)

    def _answer(self, proxy: ClientProxy, version: str, count: int) -> None:
        if not count:
            return
        extra = proxy.extra_errors if version == CANARY else 0.0
        failed = int(self.dice.binomial(count, _as_share(self.errors(version) + extra)))
        self.served[version] += count
        self.failed[version] += failed
        exporter, service = proxy.exporter, self.service
        exporter.add(REQUESTS, request_labels(service, version, "200"), count - failed)
        exporter.add(REQUESTS, request_labels(service, version, "503"), failed)
        if self.setting.guardrails == "latency":
            self._time(exporter, version, count)
        if self.setting.guardrails == "ratio":
            tokens = self._count_tokens(version, count)
            exporter.add(TOKENS, sum_labels(service, version), tokens)
        if self.setting.guardrails == "exposure":
            exporter.add(DECISIONS, sum_labels(service, version), count)
        if self.judge is not None:
            self._judge(self.judge, version, count - failed)

    def _count_tokens(self, version: str, count: int) -> int:
        """Return the tokens of so many requests; a perfect canary's answers are too long."""
        is_long = version == CANARY and self.kind == "perfect"
        mean = _TOKENS * (2 * TIMES if is_long else 1.0)
        tokens = int(self.dice.poisson(mean * count))
        self.tokens[version] += tokens
        return tokens

    def _time(self, exporter: SimulatedExporter, version: str, count: int) -> None:
        is_fast = version == CANARY and self.kind == "perfect"
        total = 0
        for edge, count_in in zip(
            EDGES, self.dice.multinomial(count, _FAST if is_fast else _SLOW), strict=True
        ):
            total += int(count_in)
            exporter.add(DURATIONS, duration_labels(self.service, version, edge), total)

    def _judge(self, judge: SimulatedExporter, version: str, count: int) -> None:
        share = 0.5 * (self.judged if version == CANARY else 1.0)
        scored = int(self.dice.binomial(count, share))
        perfect = version == CANARY and self.kind == "perfect"
        is_bad = 0.02 * (self.bad_judged if version == CANARY else 1.0)
        own: Labels = ()
        if self.setting.judges != "no":
            name = find_judge(self.setting, version, self.at - self.begun_at)
            is_bad, own = _as_share(STRICTNESS[name] * is_bad), (("judge", name),)
            self.pairs += compare_pairs(judge, self.dice, scored if version == CANARY else 0)
        fails = 0 if perfect else int(self.dice.binomial(scored, is_bad))
        for verdict, count_of in (("pass", scored - fails), ("fail", fails)):
            labels = verdict_labels(self.service, version, verdict)
            judge.add(VERDICTS, (*labels, *own), count_of)
            if own:
                ask_people(judge, self.dice, version, verdict, count_of)

    def _note(self) -> None:
        self.ledgers.append(Ledger(self.at, dict(self.served), dict(self.failed)))


def _as_share(value: float) -> float:
    """Return a sum of shares within 0 and 1, which rounding may leave by a hair."""
    return min(1.0, max(0.0, value))
