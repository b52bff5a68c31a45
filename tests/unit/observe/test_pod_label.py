"""Which label tells pods apart: by its values in both versions' series, and by who counts."""

from typing import Any

import pytest

from rollout.errors import ObserveError
from rollout.observe.pods.label import find_label
from rollout.observe.pods.survey import MOST_SERIES, survey
from rollout.plan.fields.base import RECORDED
from rollout.plan.model.plan import Plan
from rollout.ports import Ask
from tests.support.asking import plan

STABLE = [{"pod": f"s{i}", "code": code} for i in range(3) for code in ("200", "503")]
CANARY = [{"pod": f"c{i}", "code": "200"} for i in range(2)]


def test_a_label_in_every_series_with_no_value_in_both_versions_tells_pods_apart():
    assert find_label(STABLE, CANARY, {"code"}) == "pod"
    assert find_label(STABLE, [], {"code"}) == "pod", "as far as stable's series tell"


@pytest.mark.parametrize(
    ("stable", "canary"),
    [
        (STABLE[:2], CANARY),  # one pod
        ([*STABLE, {"code": "200"}], CANARY),  # a series without it
        ([*STABLE, {"code": "200", "pod": ""}], CANARY),
        (STABLE, [*CANARY, {"code": "200"}]),
        (STABLE, [*CANARY, {"code": "200", "pod": "s1"}]),  # a value in both versions
        ([], CANARY),
    ],
)
def test_any_other_label_does_not(stable, canary):
    assert find_label(stable, canary, {"code"}) is None


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (("instance", "pod"), "pod"),
        (("kubernetes_pod_name", "instance"), "kubernetes_pod_name"),
        (("exported_pod", "instance"), "exported_pod"),
        (("service_instance_id",), "service_instance_id"),
        (("hostname",), "hostname"),
        (("batch_pod", "k8s_pod_name"), "k8s_pod_name"),
        (("collector_pod", "zone_pod"), "zone_pod"),
        (("controller_pod",), None),
        (("app_kubernetes_io_instance",), None),
        (("label_app_kubernetes_io_instance", "hostname"), "hostname"),
        (("node",), None),
        (("endpoint",), None),
        (("host",), None),
        (("source_pod",), None),
        (("client_pod",), None),
        (("downstream_pod_name",), None),
        (("path",), None),
    ],
)
def test_names_of_processes_are_preferred_and_those_of_callers_refused(names, chosen):
    stable = [dict.fromkeys(names, f"s{i}") for i in range(3)]
    canary = [dict.fromkeys(names, "c")]
    assert find_label(stable, canary, set()) == chosen


def test_a_declared_label_is_none():
    assert find_label(STABLE, CANARY, {"pod"}) is None


def test_a_label_that_is_crossed_with_the_scraped_target_names_the_other_end():
    def series(version, clients):
        return [
            {"job": "app", "instance": f"{version}{i}", "exported_pod": client}
            for i in range(3)
            for client in clients
        ]

    stable, canary = series("s", ("a", "b")), series("c", ("tester",))
    assert find_label(stable, canary, set()) == "instance"


ERRORS: dict[str, Any] = {
    "name": "errors",
    "counter": {"series": "errors_total", "bad": {"code": "=~5.."}},
    "labels": {"version": "version"},
    "margin": {"absolute": "1%"},
}
SERVERS = {"name": "errors", "template": "vllm/errors", "labels": {"version": "version"}}
SERVERS |= {"margin": {"absolute": "1%"}}
ISTIO = {"name": "errors", "template": "istio/errors", "margin": {"absolute": "1%"}}
HEADER = {"header": {"name": "x-ward", "exact": "a"}}


def asked(guardrail=ERRORS, traffic=None, *, by_chance=False):
    document = plan(guardrails=[guardrail]).document()
    if traffic:
        document["spec"] |= {"traffic": traffic}
    own = Plan.model_validate(document, context=RECORDED)
    return Ask("r", own, {}, finds_pods=True, by_chance=by_chance)


def own_series(name="errors_total", **more):
    arms = (("v1", ("s0", "s1", "s2")), ("v2", ("c0", "c1")))
    return [
        {"__name__": name, "version": version, "pod": pod, "code": "200"} | more
        for version, pods in arms
        for pod in pods
    ]


def find(ask, rows):
    """The label that is found of the errors, and whether the canary has yet to confirm it."""
    own = survey(ask, lambda _server, _text: [(row, 1.0) for row in rows]).get("errors")
    return own and (own.label, own.is_awaited)


def test_a_server_s_own_series_are_taken_at_their_word():
    assert find(asked(), own_series()) == ("pod", False)
    only_stable = [row for row in own_series() if row["version"] == "v1"]
    assert find(asked(), only_stable) == ("pod", True)


def test_a_proxy_s_are_the_client_s_or_the_server_s_and_only_chance_tells():
    counter = {**ERRORS["counter"], "reporter": "proxy"}
    guardrail = {**ERRORS, "counter": counter}
    assert find(asked(guardrail), own_series()) == ("pod", True)
    assert find(asked(guardrail, by_chance=True), own_series()) == ("pod", False)


def test_a_judge_has_its_own_pods():
    guardrail = {**ERRORS, "counter": {**ERRORS["counter"], "reporter": "judge"}}
    assert find(asked(guardrail, by_chance=True), own_series()) is None


@pytest.mark.parametrize("traffic", [{"segment": HEADER}, {"affinity": {"header": "x-user"}}])
def test_where_clients_keep_their_version_only_what_is_known_to_be_a_server_s_counts(traffic):
    assert find(asked(traffic=traffic), own_series()) is None
    rows = own_series("vllm:request_success_total", finished_reason="stop")
    assert find(asked(SERVERS, traffic), rows) == ("pod", False)


def test_istio_s_callers_give_way_to_the_servers_proxies():
    texts = []

    def run(_server, text):
        texts.append(text)
        named = {"destination_service_name": "summarizer", "response_code": "200"}
        rows = own_series("istio_requests_total", reporter="destination", **named)
        return [({**row, "destination_version": row["version"]}, 1.0) for row in rows]

    own = survey(asked(ISTIO), run)["errors"]
    assert (own.label, own.is_awaited) == ("pod", False)
    assert 'reporter="destination"' in texts[0]
    assert 'reporter="source"' not in texts[0]


def test_too_many_series_are_not_read_by_pod():
    rows = own_series()
    many = [{**row, "path": str(i)} for row in rows for i in range(MOST_SERIES // len(rows) + 1)]
    assert find(asked(), many) is None


def test_a_label_that_is_no_text_is_none():
    assert find(asked(), [{**row, "pod": 3} for row in own_series()]) is None


def test_a_server_that_does_not_answer_is_told():
    def run(_server, _text):
        raise ObserveError("it is silent")

    with pytest.raises(ObserveError):
        survey(asked(), run)
