"""Stable's past from a real Prometheus: counts per tick and pod, exactly what was written."""

import numpy as np
import pytest

from analysis.dispersion.estimate import ExposureHistory, estimate
from analysis.rates.rate import RateMargin
from analysis.verdict.rate_test import RateTest
from rollout.observe.prometheus import PrometheusObserver
from rollout.plan.model.plan import Plan
from rollout.ports import Ask
from rollout.rehearse.assumptions import KnownFigures, base
from rollout.rehearse.past import learn_past
from rollout.rehearse.preflight import preflight
from tests.live.prom import RATE, SHAPE, labels, past
from tests.support.asking import ERRORS, LATENCY, plan

pytestmark = pytest.mark.live

STEP, TICKS, PODS = 15.0, 720, 6
START = 1_700_000_010.0  # a multiple of the step
END = START + STEP * TICKS
EDGES = ("5", "10", "+Inf")


def truth():
    """Exposures, bad units and buckets per tick and pod; pods differ, and one of them restarts."""
    dice = np.random.default_rng(11)
    good = dice.poisson(200, (TICKS, PODS))
    bad = dice.binomial(200, 0.02 * np.exp(0.3 * dice.standard_normal(PODS)), (TICKS, PODS))
    shares = [0.7, 0.2, 0.1]
    return good, bad, dice.multinomial(200, shares, (TICKS, PODS))


def written(text, added, restart=None):
    """A counter from 1000 on that adds so much per tick; at `restart` it begins again at 0."""
    total = 1000 + np.concatenate([[0], np.cumsum(added)])
    if restart:
        total[restart + 1 :] -= total[restart]
    return [(text, START + STEP * i, int(n)) for i, n in enumerate(total)]


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    good, bad, buckets = truth()
    rates, shapes = [], []
    for pod in range(PODS):
        again = 300 if pod == 2 else None
        named = {"pod": f"p{pod}"}
        for code, units in (("200", good), ("503", bad)):
            text = labels("v1", envoy_response_code=code, **named)
            rates += written(text, units[:, pod], again)
        for at, edge in enumerate(EDGES):
            added = buckets[:, pod, : at + 1].sum(axis=-1)
            shapes += written(labels("v1", le=edge, **named), added, again)
    rates += [(labels("v2", pod=f"c{i}", envoy_response_code="200"), END, 0) for i in (1, 2)]
    with past(tmp_path_factory.mktemp("past"), {RATE: rates, SHAPE: shapes}) as running:
        yield running


def history(url, **pods):
    document = plan(guardrails=(ERRORS, LATENCY), url=url, scrape="15s").document()
    document["spec"]["pods"] = {"label": "pod", "history": "3h"} | pods
    observer = PrometheusObserver()
    pod_history = observer.history(Ask("r", Plan.model_validate(document), {}), END + 3)
    observer.close()
    return pod_history


def test_counts_are_those_that_were_written(url):
    good, bad, buckets = truth()
    pod_history = history(url)
    assert pod_history.problems == {}
    errors, latency = pod_history.pods["errors"], pod_history.pods["latency"]
    assert errors.pods == tuple(f"p{pod}" for pod in range(PODS))
    assert errors.canary == 2
    assert (errors.counts == np.stack([good + bad, bad], axis=-1)).all()
    assert (latency.counts == buckets).all()


def test_without_pods_the_totals_are_those_that_were_written_but_for_a_restart(url):
    good, bad, _ = truth()
    document = plan(guardrails=(ERRORS, LATENCY), url=url, scrape="15s").document()
    document["spec"] |= {"interval": f"{STEP:g}s"}
    observer = PrometheusObserver()
    past = observer.history(Ask("r", Plan.model_validate(document), {}), END + 3)
    observer.close()
    assert past.problems == {}
    assert past.pods.keys() == {"errors", "latency"}
    counts = past.pods["errors"].counts[-TICKS:, 0]
    is_whole = np.arange(TICKS) != 300  # in the tick of its restart a pod counts nothing
    assert (counts[is_whole] == np.stack([good + bad, bad], axis=-1).sum(axis=1)[is_whole]).all()
    assert (counts[300] < (good + bad)[300].sum()).all()


def find_pods(url, *, by_chance):
    asked = plan(guardrails=(ERRORS, LATENCY), url=url, scrape="15s").document()
    asked["spec"] |= {"interval": f"{STEP:g}s"}
    ask = Ask("r", Plan.model_validate(asked), {}, finds_pods=True, by_chance=by_chance)
    observer = PrometheusObserver()
    past = observer.history(ask, END + 3)
    observer.close()
    assert past.problems == {}
    return past


def test_pods_that_nobody_declared_are_found_once_requests_were_split_by_chance(url):
    good, bad, _ = truth()
    past = find_pods(url, by_chance=True)
    assert past.labels == {"errors": "pod"}
    assert past.awaited == {"latency": "pod"}, "the canary has no such series yet"
    assert past.pods["errors"].canary == 2
    assert (past.pods["errors"].counts[-TICKS:] == np.stack([good + bad, bad], axis=-1)).all()


def test_until_then_a_proxy_s_label_may_be_the_clients_and_totals_are_read(url):
    past = find_pods(url, by_chance=False)
    assert past.labels == {}
    assert past.awaited == {"errors": "pod", "latency": "pod"}
    assert past.pods["errors"].pods == ("",)


def test_totals_beyond_an_edge_are_those_that_were_written_but_for_a_restart(url):
    _, _, buckets = truth()
    margin = {"than": "5ms", "margin": {"absolute": "1%"}}
    slow = {"name": "slow", "template": "envoy/latency", "slower": margin}
    document = plan(guardrails=(LATENCY, slow), url=url, scrape="15s").document()
    document["spec"] |= {"interval": f"{STEP:g}s"}
    observer = PrometheusObserver()
    past = observer.history(Ask("r", Plan.model_validate(document), {}), END + 3)
    observer.close()
    assert past.problems == {}
    assert past.pods.keys() == {"latency", "slow"}
    counts, added = past.pods["slow"].counts[-TICKS:, 0], buckets.sum(axis=1)
    is_whole = np.arange(TICKS) != 300  # in the tick of its restart a pod counts nothing
    expected = np.stack([added[:, 0], added[:, 1:].sum(axis=1)], axis=-1)
    assert (counts[is_whole] == expected[is_whole]).all()
    assert (counts[300] <= expected[300]).all()


def test_the_dispersion_is_that_of_what_was_written(url):
    good, bad, _ = truth()
    pod_history = RateTest(RateMargin(1.0, 0.01)).estimate_dispersion(
        history(url).pods["errors"], 2
    )
    assert pod_history == estimate(ExposureHistory(good + bad, bad), 2)
    assert 0.02 < pod_history.lasting < 0.3


def test_a_label_that_no_series_has_is_a_problem_in_words(url):
    pod_history = history(url, label="instance")
    assert pod_history.pods == {}
    assert pod_history.problems.keys() == {"errors", "latency"}
    assert "no label instance" in pod_history.problems["errors"]


def test_a_server_that_is_gone_is_waited_for_once():
    pod_history = history("http://127.0.0.1:1")
    assert pod_history.pods == {}
    assert "does not answer" in pod_history.problems["errors"]


def test_a_rehearsal_learns_from_it_what_a_rollout_would(url):
    asked = plan(guardrails=(ERRORS,), url=url, scrape="15s")
    observer = PrometheusObserver()
    learnt = learn_past(asked, observer, END + 3)
    observer.close()
    good, bad, _ = truth()
    assert learnt is not None
    own = learnt.dispersions["errors"]
    assert own.rate == pytest.approx(bad.sum() / (good + bad).sum(), rel=0.02)
    (remark,) = (
        remark.text
        for remark in preflight(asked, base(asked, KnownFigures(), learnt), [])
        if remark.code == "past" and remark.guardrail
    )
    assert "error rates allow for bad units" in remark


def test_a_plan_that_forbids_it_learns_nothing(url):
    document = plan(guardrails=(ERRORS,), url=url, scrape="15s").document()
    document["spec"]["pods"] = "none"
    observer = PrometheusObserver()
    learnt = learn_past(Plan.model_validate(document), observer, END + 3)
    observer.close()
    assert learnt is None or learnt.found_pods == {}
