"""Which past is asked for where pods are found: theirs, and the evidence's own totals beside it."""

from __future__ import annotations

from rollout.observe.history import past_queries, pasts
from rollout.observe.pods.survey import PodLabel, find_server_side
from rollout.observe.query import parts_of
from tests.support.asking import ERRORS, LATENCY, ask

NOW = 100_000.7
ISTIO = {"name": "errors", "template": "istio/errors", "margin": {"absolute": "1%"}}


def labels_of(asking, *, is_awaited=False):
    sides = (find_server_side(source, own) for source, own in parts_of(asking))
    return {own.guardrail: PodLabel("pod", source, own, is_awaited) for source, own in sides}


def test_pods_that_are_found_are_asked_for_by_their_label_histograms_too():
    asking = ask(guardrails=[ERRORS, LATENCY])
    queries = past_queries(asking, NOW, labels_of(asking))
    assert [(query.label, query.is_found) for query in queries] == [("pod", True)] * 2
    assert not any("sum by" in query.text for query in queries)
    assert queries[0].grid.ticks == 12 * 3600 / 2


def test_an_awaited_label_is_not_used_yet():
    asking = ask(guardrails=[ERRORS, LATENCY])
    past = past_queries(asking, NOW, labels_of(asking, is_awaited=True))
    assert {query.label for query in past} == {None}
    assert all("sum by" in query.text for query in past)


def test_the_servers_proxies_tell_of_pods_and_the_callers_of_totals():
    asking = ask(guardrails=[ISTIO])
    by_pod, beside = past_queries(asking, NOW, labels_of(asking))
    assert 'reporter="destination"' in by_pod.text
    assert 'reporter="source"' in beside.text
    assert (by_pod.is_beside_pods, beside.is_beside_pods) == (False, True)
    metric = {"destination_service_name": "summarizer", "destination_version": "v1"}
    metric |= {"__name__": "istio_requests_total", "response_code": "503"}

    def answer(query, **labels):
        times = [query.grid.start + query.grid.step * i for i in range(3)]
        return [{"metric": metric | labels, "values": [[at, "7"] for at in times]}]

    pods = [answer(by_pod, reporter="destination", pod=f"s{i}")[0] for i in range(2)]
    past = pasts(by_pod, [pods]).joined(pasts(beside, [answer(beside, reporter="source")]))
    assert past.problems == {}
    assert past.labels == {"errors": "pod"}
    assert past.pods["errors"].pods == ("s0", "s1")
    assert past.totals["errors"].counts[:3, 0, 1].sum() == 14
