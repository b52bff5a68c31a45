"""What Prometheus has stored of a scrape."""

from __future__ import annotations

import requests

from rollout.plan.model.templates import METRICS
from tests.support.local_envoy import SERVICE

ERRORS = METRICS["envoy/errors"]


def get(url, **params):
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(url, params=params, timeout=5)
        answer.raise_for_status()
        return answer


def stored(prometheus, series):
    """Every (labels, value) of a series that Prometheus has now."""
    answer = get(f"{prometheus.url}/api/v1/query", query=series).json()
    return [(result["metric"], result["value"][1]) for result in answer["data"]["result"]]


def codes(samples):
    """Requests by version and status, from samples of the errors template's series."""
    assert {of[ERRORS.service] for of, _ in samples} <= {SERVICE}
    return {
        (of[ERRORS.version], int(of["envoy_response_code"])): int(value) for of, value in samples
    }
