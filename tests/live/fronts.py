"""What stands before a Prometheus as it is deployed: it passes requests on, or answers itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

from tests.support.answering import Reply, Sent, answering, refusal

Change = Callable[[dict[str, Any]], None]


@contextmanager
def front(url: str, refuse: Callable[[Sent], Reply | None], change: Change = lambda _body: None):
    """A server that passes on what `refuse` does not answer, and changes what comes back."""
    session = requests.Session()
    session.trust_env = False

    def answer(sent: Sent) -> Reply:
        if (own := refuse(sent)) is not None:
            return own
        passed = session.post(f"{url}{urlsplit(sent.path).path}", data=sent.form, timeout=10)
        body = passed.json()
        change(body)
        return passed.status_code, {}, json.dumps(body)

    with answering(answer) as running, session:
        yield running


def guard_tenant(token: str) -> Callable[[Sent], Reply | None]:
    """As a tenant's proxy: a token, an organisation and a namespace, or a refusal."""

    def refuse(sent: Sent) -> Reply | None:
        if sent.headers.get("Authorization") != f"Bearer {token}":
            return 401, {"WWW-Authenticate": "Bearer"}, "Unauthorized"
        if sent.headers.get("X-Scope-OrgID") != "ml":
            return refusal(401, "no org id")
        if parse_qs(urlsplit(sent.path).query).get("namespace") != ["clinical-ai"]:
            return refusal(403, "Forbidden (user=eve, verb=get, resource=prometheus)")
        return None

    return refuse


def refuse_choices(sent: Sent) -> Reply | None:
    """As a managed Prometheus: a metric's name is not chosen by a regular expression."""
    if "__name__=~" in sent.form["query"]:
        return refusal(400, "the metric name must be matched by equality")
    return None


def pass_all(_sent: Sent) -> None:
    """Refuse nothing."""


def lack_a_store(body: dict[str, Any]) -> None:
    """As Thanos: the answer of the stores that are there, with a warning."""
    body["warnings"] = ["receive series from store-2: context deadline exceeded"]


def lack_a_node(body: dict[str, Any]) -> None:
    """As a cluster of VictoriaMetrics."""
    body["isPartial"] = True


def delay(seconds: float, now: Callable[[], float]) -> Change:
    """Samples become visible so many seconds after their own time."""

    def change(body: dict[str, Any]) -> None:
        for row in body["data"]["result"]:
            row["values"] = [pair for pair in row["values"] if pair[0] <= now() - seconds]
        body["data"]["result"] = [row for row in body["data"]["result"] if row["values"]]

    return change
