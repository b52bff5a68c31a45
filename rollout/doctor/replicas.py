"""Tell whether several Prometheus servers answer at one address."""

from __future__ import annotations

from collections.abc import Iterator

from rollout.doctor.finding import Finding
from rollout.errors import ObserveError
from rollout.observe.matrix import read_matrix
from rollout.observe.query import queries
from rollout.observe.survey import Read
from rollout.plan.model.plan import Plan
from rollout.ports import Ask

_ASKED = 5  # times; a balancer that chooses at random of two gives one answer in 16 cases
_FIX = "name one of them, or a querier that merges them, such as Thanos by their replica label"


def of_server(plan: Plan, read: Read, now: float) -> Iterator[Finding]:
    """Ask one question about the past several times: one server answers it alike each time."""
    # Samples become visible late: those of the last two scrapes may come between two answers.
    lag = max(guardrail.lag for guardrail in plan.spec.guardrails)
    at = now - 2 * plan.spec.prometheus.scrape - lag
    query = queries([Ask(plan.id, plan, {})], at)[0]
    server = query.source.server
    try:
        answers = {_read_answer(read(server, query.text, at)) for _ in range(_ASKED)}
    except ObserveError:
        return  # the other checks say so
    if len(answers) > 1:
        message = (
            "it answers one question differently each time: several servers seem to stand behind "
            "the address, and their samples mix"
        )
        yield Finding("prometheus", server.url, "warn", message, _FIX)


def _read_answer(result: object) -> frozenset[object]:
    """Return what can be compared of an answer: every series with its samples, in no order."""
    return frozenset(
        (tuple(sorted(item.metric.items())), str(item.values), str(item.histograms))
        for item in read_matrix(result)
    )
