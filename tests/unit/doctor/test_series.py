"""Series of a guardrail: what is missing, or named otherwise, is said with its cure."""

from __future__ import annotations

import pytest

from rollout.doctor.series import answers, find_unreadable, of_plan
from rollout.errors import ObserveError, QueryRefusedError
from rollout.plan.model.prometheus import PrometheusServer
from tests.support.worlds import plan

URL = "http://127.0.0.1:9090"
SERVICE, VERSION, CODE = "destination_service", "destination_version", "envoy_response_code"
RATE = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "1%"}}


def the_plan(**guardrail):
    return plan(guardrails=[{**RATE, **guardrail}])


def examine_series(rows, total=0, **guardrail):
    """What is found where the service's series are `rows`, and `total` of the metric at all."""
    asked = []

    def query(url, text):
        asked.append(text)
        if text.startswith("count("):
            return [({}, float(total))] if total else []
        return [(labels, 1.0) for labels in rows]

    (finding,) = of_plan(the_plan(**guardrail), query)
    return finding, asked


def row(version, **more):
    return {VERSION: version, CODE: "200"} | more


def test_both_versions_or_the_stable_one_are_enough():
    finding, asked = examine_series([row("v1"), row("v2")])
    assert (finding.level, finding.said, finding.fix) == ("ok", "v1 and v2 have series", "")
    selector = f'envoy_cluster_upstream_rq{{{SERVICE}="summarizer"}}'
    assert asked[0] == f"count by ({VERSION},{CODE},__name__) ({selector})"
    assert examine_series([row("v1")])[0].level == "ok"


@pytest.mark.parametrize(
    ("rows", "total", "message", "cure"),
    [
        ([], 0, "there is no series envoy_cluster_upstream_rq{}", "scrape"),
        ([], 7, f'has no {SERVICE}="summarizer"', "labels: {service"),
        ([row("v2"), row("v3")], 0, "has no version v1, only v2, v3", "spec.stable.version"),
        ([{CODE: "200"}], 0, f"has the label {VERSION}", "labels: {version"),
        ([{VERSION: "v1"}], 0, f"has the label {CODE}", "no bad unit is counted"),
    ],
)
def test_what_is_missing_is_said_with_its_cure(rows, total, message, cure):
    finding, _ = examine_series(rows, total)
    assert finding.level == "fail"
    assert message in finding.said
    assert cure in finding.fix
    assert str(finding).startswith("fail  series      demo/errors: ")
    assert str(finding).endswith(f"-> {finding.fix}")


def test_a_name_that_looks_like_the_missing_one_is_told():
    def query(_server, text):
        is_asked = '{__name__=~"env.*"}' in text
        return [({"__name__": "envoy_cluster_upsteam_rqs"}, 3.0)] if is_asked else []

    (finding,) = of_plan(the_plan(), query)
    assert "did you mean `envoy_cluster_upsteam_rqs`?" in finding.fix


@pytest.mark.parametrize(
    ("bucket", "message"), [("_bucket", ""), ("", ", native histograms without classic buckets")]
)
def test_the_form_of_a_histogram_is_said(bucket, message):
    labels_of_series = {"__name__": f"envoy_cluster_upstream_rq_time{bucket}"}
    shape = {"template": "envoy/latency", "margin": None, "tolerance": "10%"}
    finding, _ = examine_series(
        [row("v1", **labels_of_series), row("v2", **labels_of_series)], **shape
    )
    assert finding.said == f"v1 and v2 have series{message}"


def test_labels_of_the_plan_are_the_ones_asked_for():
    finding, asked = examine_series([{"build": "v1", CODE: "500"}], labels={"version": "build"})
    assert finding.level == "ok"
    assert asked[0].startswith(f"count by (build,{CODE},__name__)")


def test_a_plan_with_pods_needs_their_label_and_two_of_stable():
    def examine_pods(*pods):
        rows = [row("v1", **({"pod": pod} if pod else {})) for pod in pods]
        (finding,) = of_plan(
            plan(guardrails=[RATE], pods={"label": "pod"}),
            lambda _url, text: [(labels, 1.0) for labels in rows],
        )
        return finding.level, finding.said.partition(", ")[0], finding.fix.partition(",")[0]

    assert examine_pods("a", "b")[0] == "ok"
    assert examine_pods("a", "a") == ("warn", "v1 has one pod", "run a second pod of v1")
    rows = [row(version, pod=pod) for version in ("v1", "v2") for pod in ("a", "b")]
    (finding,) = of_plan(
        plan(guardrails=[RATE], pods={"label": "pod"}), lambda *_: [(of, 1.0) for of in rows]
    )
    assert (finding.level, finding.said) == ("warn", "a has series of both v1 and v2")
    level, message, fix = examine_pods("", "")
    assert (level, fix) == ("fail", "add it in the scrape configuration")
    assert message.endswith("has the label pod")


def test_a_silent_server_fails_each_guardrail():
    def query(url, text):
        raise ObserveError("Prometheus does not answer")

    finding = answers(PrometheusServer(url=URL), query, lambda: 0.0)
    assert (finding.level, finding.said) == ("fail", "Prometheus does not answer")
    assert [finding.level for finding in of_plan(plan(), query)] == ["fail"] * 3


def test_a_clock_that_is_off_is_a_warning():
    def at(seconds):
        return answers(
            PrometheusServer(url=URL), lambda url, text: [({}, 1000.0 + seconds)], lambda: 1000.0
        )

    assert at(2).level == "ok"
    assert at(-60).level == "warn"
    assert "-60 s" in at(-60).said


OWN = {"template": None, "counter": {"series": "x_total", "bad": {"status": "=~5.."}}}
APART = {"bad": {"series": "f_total", "where": {"why": "!=user"}}, "total": {"series": "x_total"}}
ARMS = {"arms": {"stable": {"pool": "a"}, "canary": {"pool": "b"}}}


@pytest.mark.parametrize(
    ("counter", "labels", "rows", "level", "words"),
    [
        (
            OWN["counter"],
            {"version": "v"},
            [{"v": "v1", "status": "200"}],
            "ok",
            "v1 has series",
        ),
        (OWN["counter"], {"version": "v"}, [{"v": "v1"}], "fail", "has the label status"),
        (
            OWN["counter"],
            ARMS,
            [{"pool": "a", "status": "1"}],
            "ok",
            "v1",
        ),
        (OWN["counter"], ARMS, [{"pool": "c", "status": "1"}], "fail", 'selector {pool="a"}'),
        (
            {"series": "x_total", "bad": {"error_type": "!="}},
            {"version": "v"},
            [{"v": "v1"}],
            "ok",
            "no series has the label error_type now",
        ),
        (
            APART,
            {"version": "v"},
            [{"__name__": "x_total", "v": "v1"}],
            "ok",
            "no series has what `bad` selects of f_total now",
        ),
        (
            APART,
            {"version": "v"},
            [{"__name__": "f_total", "v": "v1"}],
            "fail",
            "of all units",
        ),
    ],
)
def test_declared_metrics_are_examined_as_they_will_be_read(counter, labels, rows, level, words):
    guardrail = {**OWN, "counter": counter, "labels": labels}
    finding, asked = examine_series(rows, **guardrail)
    assert (finding.level, words in finding.said) == (level, True), finding
    assert "summarizer" not in asked[0]  # no label names the service


def test_a_label_of_the_canary_s_selector_that_nobody_has_is_a_warning():
    arms = {"arms": {"stable": {"pool": "a"}, "canary": {"pol": "b"}}}
    guardrail = {**OWN, "labels": arms}
    finding, _ = examine_series([{"pool": "a", "status": "200"}], **guardrail)
    assert (finding.level, "no series has the label pol" in finding.said) == ("warn", True)
    guardrail["labels"] = {"arms": {"stable": {"pool": "a"}, "canary": {"pol": "!=a"}}}
    assert examine_series([{"pool": "b", "status": "200"}], **guardrail)[0].level == "fail"


def test_selectors_that_overlap_are_told_with_their_own_cure():
    arms = {"arms": {"stable": {"pool": "=~a.*"}, "canary": {"pool": "ab"}}}
    finding, _ = examine_series([{"pool": "ab", "status": "200"}], **{**OWN, "labels": arms})
    assert finding.level == "fail"
    assert finding.fix == "make the two selectors of `arms` exclude each other"


@pytest.mark.parametrize(
    ("series", "fix"), [("a.b.total", "names with dots need Prometheus 3"), ("a_total", "mend it")]
)
def test_names_with_dots_need_a_server_that_reads_them(series, fix):
    def query(url, text):
        raise QueryRefusedError("it cannot read the query", "mend it", 400)

    counter = {"series": series, "bad": {"status": "=~5.."}}
    guardrail = {**OWN, "counter": counter, "labels": {"version": "v"}}
    (finding,) = of_plan(the_plan(**guardrail), query)
    assert finding.fix.startswith(fix)


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([], ""),
        ([{"v": "v1", "status": "200"}], ""),
        ([{"v": "v0", "status": "200"}], ""),  # stable may come
        ([{"w": "v1", "status": "200"}], "has the label v"),
        ([{"v": "v1"}], "has the label status"),
        ([{"v": "v1", "status": "OK"}, {"v": "v1", "status": "500 "}], "which `bad` asks for"),
    ],
)
def test_what_is_there_and_cannot_be_read_is_told(rows, problem):
    examined = the_plan(**{**OWN, "labels": {"version": "v"}})
    (guardrail,) = examined.spec.guardrails
    text = find_unreadable(examined, guardrail, lambda *_: [(labels, 1.0) for labels in rows])
    assert (problem in text) if problem else not text
