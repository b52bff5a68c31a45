"""Whatever Prometheus answers over HTTP: samples that are counted and recorded, or a problem."""

import io
import json
from typing import Any

import pytest
from requests import Response
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

from rollout.decide.fold import fold
from rollout.decide.record.facts import Decided
from rollout.decide.record.route_facts import Confirmed
from rollout.decide.record.split import Split
from rollout.errors import ObserveError
from rollout.journal.hash_chain import START, parse, seal_all
from rollout.observe.prometheus import PrometheusObserver
from rollout.plan.model.prometheus import PrometheusServer
from rollout.ports import Ask
from rollout.tick.propose import ask, propose
from tests.support.fuzzing import fuzz
from tests.support.states import T0, begun
from tests.support.worlds import plan

NOW = T0 + 60
PODS = {"label": "pod", "history": "20m"}
VALUES = ["NaN", "+Inf", "-1", "0", "1e999", "1e-320", "-0", "0x1", "1e15", "0.5", T0, NOW + 1e9]


COUNTS = [[NOW - 4, "7"], [NOW - 2, "9"], [NOW - 1, "12"]]


def series(name, version, **labels):
    head = {"__name__": name, "job": "j", "instance": f"i{version}", "service": "summarizer"}
    named = {"destination_service": "summarizer", "destination_version": version}
    return {**head, **named, "version": version, "model": "summarizer", **labels}


RATES = [
    {
        "metric": series("envoy_cluster_upstream_rq", v, envoy_response_code=code),
        "values": COUNTS,
    }
    for v in ("v1", "v2")
    for code in ("200", "503")
]
BUCKETS = [
    {"metric": series("envoy_cluster_upstream_rq_time_bucket", v, le=le), "values": COUNTS}
    for v in ("v1", "v2")
    for le in ("5", "10", "+Inf")
]
BUCKETS[0]["values"] = [[NOW - 4, "6"], [NOW - 2, "7"], [NOW - 1, "8"]]
NATIVES = [
    {
        "metric": series("envoy_cluster_upstream_rq_time", v),
        "histograms": [
            [NOW - n, {"count": "3", "sum": "1", "buckets": [[0, "0.5", "1", "3"]]}] for n in (3, 1)
        ],
    }
    for v in ("v1", "v2")
]
RESULTS = [RATES, BUCKETS, NATIVES, [*RATES, *BUCKETS, *NATIVES], []]
STATUS = [200] * 30 + [204, 301, 304, 400, 401, 404, 422, 429, 500, 503]


@pytest.fixture
def answer(monkeypatch):
    """Let every request be answered by bytes of ours, as they come out of a socket."""
    given: dict[str, Any] = {}

    def send(_adapter, request, **_):
        response = Response()
        raw = io.BytesIO(given["body"])
        options = {"status": given["status"], "headers": given["headers"]}
        response.raw = HTTPResponse(raw, preload_content=False, **options)
        response.status_code, response.url, response.request = given["status"], request.url, request
        response.headers.update(given["headers"])
        return response

    monkeypatch.setattr(HTTPAdapter, "send", send)

    def set_answer(mutator):
        document = {
            "status": "success",
            "data": {"resultType": "matrix", "result": mutator.random.choice(RESULTS)},
        }
        text = mutator.to_json(mutator.mangle(document, VALUES))
        is_spoilt = mutator.random.random() < 0.15
        given["body"] = mutator.spoil(text) if is_spoilt else text.encode("utf-8", "surrogatepass")
        given["status"] = mutator.random.choice(STATUS)
        odd = {"Content-Encoding": mutator.random.choice(["gzip", "br", "deflate", "x"])}
        given["headers"] = odd if mutator.random.random() < 0.03 else {}

    return set_answer


def at_step():
    state = begun()
    decided = Decided(
        rollout="r",
        at=T0,
        action="advance",
        split=Split(5),
        reasons=("nothing-harmful",),
        sentence="",
    )
    state = fold(state, decided, 2)
    return fold(state, Confirmed(rollout="r", at=T0, decision=2, split=Split(5)), 3)


def test_whatever_prometheus_answers_is_samples_or_a_problem(answer):
    """Two looks: what the first one counted is what the second one goes on from."""
    observer = PrometheusObserver()

    def check(mutator):
        state, last, head = at_step(), START, 3
        for now in (NOW, NOW + 2):
            answer(mutator)
            question = ask("r", state)
            observed = observer.observe([question], now)["r"]
            assert not observed.series.keys() & observed.problems.keys()
            steps = propose("r", state, head, reads=[], answer=observed, now=now)
            rows = seal_all(last, [fact for fact, _ in steps])
            assert [parse(row).fact for row in rows] == [fact for fact, _ in steps]
            assert not any(fact.split.canary > 5 for fact, _ in steps if isinstance(fact, Decided))
            if steps:
                state, last, head = steps[-1][1], rows[-1], head + len(steps)

    fuzz("prometheus", 0.1, check)


def test_whatever_the_past_looks_like_is_pods_or_a_problem(answer):
    observer, planned = PrometheusObserver(), plan(pods=PODS)

    def check(mutator):
        answer(mutator)
        past = observer.history(Ask("r", planned, {}), NOW)
        assert past.pods.keys() | past.problems.keys()
        answer(mutator)
        try:
            rows = observer.vector(PrometheusServer(url="http://p"), "up")
        except ObserveError:
            return
        json.dumps(rows)

    fuzz("past", 0.04, check)
