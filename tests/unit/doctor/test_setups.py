"""Each set-up whose counts mislead is told with its cure, by the samples of the last minutes."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.doctor.replicas import of_server
from rollout.doctor.setups import of_plan
from rollout.errors import ObserveError
from tests.support.asking import ERRORS, LATENCY, plan
from tests.support.scraped import WrittenPrometheus

RATE, TIME = "envoy_cluster_upstream_rq", "envoy_cluster_upstream_rq_time_bucket"
SCRAPE, COUNT = 15.0, 60
NOW = COUNT * SCRAPE + 1
TARGET = {"job": "envoy", "instance": "10.0.0.1:9901"}
ENVOY = (0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000)


class LiveSeries:
    """A server whose samples a test writes, one for each scrape of a quarter of an hour."""

    def __init__(self):
        self.server = WrittenPrometheus()

    def write(self, version, values, name=RATE, **labels):
        named = {"destination_service": "summarizer", "destination_version": version}
        named |= {"envoy_response_code": "200"} if name == RATE else {}
        for number, value in enumerate(values):
            if value is not None:
                self.server.write(name, named | labels, number * SCRAPE, value)

    def start(self, **labels):
        for number in range(COUNT):
            self.server.write("envoy_server_uptime", labels, number * SCRAPE, 1e6 + number * SCRAPE)

    def write_histogram(self, version, edges, share, units=10, **labels):
        """Write buckets that have `share(edge)` of a scrape's requests at or below an edge."""
        for edge in (*edges, float("inf")):
            upper = "+Inf" if edge == float("inf") else f"{edge:g}"
            begin = {"v1": 100, "v2": 70}[version]
            counts = [round((begin + n) * units * share(edge)) for n in range(COUNT)]
            self.write(version, counts, TIME, le=upper, **labels)

    def read(self, url, text, at):
        return self.server.custom_query(text, {"time": str(at)})

    def findings(self, guardrail=ERRORS):
        examined = plan(guardrails=[guardrail], scrape="15s")
        return [
            (finding.level, finding.said, finding.fix)
            for finding in of_plan(examined, self.read, NOW)
            if finding.check == "series"
        ]

    def find(self, words, guardrail=ERRORS):
        (finding,) = [f for f in self.findings(guardrail) if words in f[1]]
        return finding


def steady(begin=1000, pace=10):
    return [begin + pace * number for number in range(COUNT)]


def of(version, pace=10):
    """The counter of a version; no two versions count alike."""
    return steady({"v1": 1000, "v2": 50}[version], pace)


@pytest.fixture
def lab():
    lab = LiveSeries()
    for version in ("v1", "v2"):
        lab.write(version, of(version), **TARGET)
        lab.write(version, of(version, 1), **TARGET, zone="2")
    return lab


def test_sound_series_have_no_finding(lab):
    lab.start(**TARGET)
    assert lab.findings() == []


@given(
    st.lists(st.integers(0, 300), min_size=2, max_size=4),
    st.lists(st.none() | st.integers(1, COUNT - 1), min_size=4, max_size=4),
)
def test_processes_that_restart_and_say_so_have_no_finding(paces, restarts):
    lab = LiveSeries()
    for number, (pace, restart) in enumerate(zip(paces, restarts, strict=False)):
        target = {"job": "envoy", "instance": f"10.0.0.{number}:9901"}
        ages = [1e6 + n * SCRAPE for n in range(COUNT)]
        values = steady(1000 + number, pace)
        if restart is not None:
            later = range(COUNT - restart)
            ages[restart:] = [5 + n * SCRAPE for n in later]
            values[restart:] = [pace // 3 + pace * n for n in later]
        lab.write(("v1", "v2")[number % 2], values, **target)
        for n, age in enumerate(ages):
            lab.server.write("envoy_server_uptime", target, n * SCRAPE, age)
    assert lab.findings() == []


def test_without_start_times_a_late_target_is_a_baseline(lab):
    level, message, fix = lab.find("no start time is known of 1 of its targets")
    assert (level, fix) == ("ok", "")
    assert "counts from its first sample on" in message
    assert len(lab.findings()) == 1


@pytest.mark.parametrize(
    ("differing", "level", "words"),
    [
        ({"job": "mesh"}, "warn", 'count once: {job="envoy"} and {job="mesh"}'),
        ({"prometheus_replica": "b"}, "warn", 'count once: {prometheus_replica="b"} and'),
        ({"job": "mesh", "instance": "10.0.0.1:15090"}, "fail", "one process seems to be scraped"),
    ],
)
def test_twins_are_named_with_their_labels(lab, differing, level, words):
    for version in ("v1", "v2"):
        lab.write(version, of(version), **TARGET | differing)
        lab.write(version, of(version, 1), **TARGET | differing, zone="2")
    given, message, fix = lab.find("scraped twice" if level == "fail" else "there twice")
    assert given == level
    assert words in message
    assert "remove one of the two scrape configurations" in fix
    assert [f[0] for f in lab.findings() if f[0] != "ok"] == [level]


@pytest.mark.parametrize(
    ("differing", "level", "words"),
    [
        ({"service": "b"}, "fail", 'agree: {service=""} and {service="b"}'),
        ({"instance": "envoy.svc:9901"}, "warn", '{instance="10.0.0.1:9901"} and {instance="env'),
    ],
)
def test_one_process_that_one_job_scrapes_twice_is_named(lab, differing, level, words):
    lab.start(**TARGET)
    lab.start(**TARGET | differing)
    for version in ("v1", "v2"):
        named = {"destination_service": "summarizer", "destination_version": version}
        for zone, pace in (({}, 10), ({"zone": "2"}, 1)):
            series = named | {"envoy_response_code": "200"} | TARGET | differing | zone
            for number, value in enumerate(of(version, pace)):
                lab.server.write(RATE, series, number * SCRAPE + 1, value)
    ((given, message, fix),) = [f for f in lab.findings() if "the counts" in f[1] or "same" in f[1]]
    assert given == level
    assert words in message
    assert "scrape it once" in fix


def test_several_workers_behind_one_address_are_named(lab):
    first, second = steady(9100, 30), steady(4000, 35)
    flapping = [pair[number % 2] for number, pair in enumerate(zip(first, second, strict=True))]
    lab.write("v1", flapping, job="judge", instance="10.0.0.9:8000")
    level, message, fix = lab.find("several processes seem to answer at one address")
    assert level == "fail"
    assert 'instance="10.0.0.9:8000"' in message
    assert "one process answer at an address" in fix


def test_a_single_dip_is_a_warning(lab):
    dip = steady(400_000)
    dip[50] = 300_000
    lab.write("v1", dip, **TARGET, pod="3")
    level, message, fix = lab.find("fell from")
    assert level == "warn"
    assert message.startswith("in the last 7m30s, ")
    assert "one process answer" in fix


def test_a_target_that_came_late_is_a_warning(lab):
    lab.write("v1", [None] * 50 + steady(500_000)[:10], job="envoy", instance="10.0.0.2:9901")
    level, message, fix = lab.find("is new")
    assert level == "warn"
    assert "nothing shows that its 500,000 are" in message
    assert "process_start_time_seconds" in fix


def test_a_sum_over_processes_is_a_warning(lab):
    lab.write("v1", steady(4000), zone="3")
    level, message, fix = lab.find("sums over processes")
    assert level == "warn"
    assert 'zone="3"' in message
    assert "the processes themselves" in fix


def test_a_sum_that_falls_is_cured_by_its_members():
    lab = LiveSeries()
    for version in ("v1", "v2"):
        lab.write(version, of(version))
        lab.write(version, steady(90_000)[:45] + steady(50_000)[:15], zone="2")
    fixes = {fix for _, text, fix in lab.findings() if " fell " in text}
    assert [fix.partition(",")[0] for fix in fixes] == [
        "judge the series of the processes themselves"
    ]


def test_a_collector_without_a_pod_label_is_a_warning(lab):
    for pod in ("a", "b"):
        for number in range(COUNT):
            labels = TARGET | {"pod": pod}
            lab.server.write("process_start_time_seconds", labels, number * SCRAPE, 5.0)
    level, message, fix = lab.find("answers for 2 processes")
    assert level == "warn"
    assert message.startswith('{job="envoy", instance="10.0.0.1:9901"}')
    assert "label that names the pod" in fix


def test_a_merged_endpoint_is_a_warning(lab):
    score = {"name": "accuracy", "template": "quality/score", "tolerance": 0.5}
    for version, units in (("v1", 40), ("v2", 20)):
        for number, edge in enumerate((*TENTHS, 1.0, math.inf), 1):
            named = {"service": "summarizer", "model_version": version, "le": f"{edge:g}"}
            named["le"] = named["le"].replace("inf", "+Inf")
            for n in range(COUNT):
                count = (100 + n) * units * number
                name = "gen_ai_evaluation_score_bucket"
                lab.server.write(name, named | TARGET, n * SCRAPE, count)
    for number in range(COUNT):
        lab.server.write("process_start_time_seconds", TARGET, number * SCRAPE, 5.0)
    assert not [f for f in lab.findings(score) if "uptime" in f[1]]
    lab.start(**TARGET)
    level, message, fix = lab.find("a proxy's uptime beside a start time", score)
    assert level == "warn"
    assert message.startswith('{job="envoy", instance="10.0.0.1:9901"}')
    assert "scrape the application at its own port" in fix


def test_a_series_under_a_new_name_is_a_warning(lab):
    lab.start(**TARGET)
    lab.write("v1", steady(7000)[:50] + [None] * 10, **TARGET, shard="a")
    lab.write("v1", [None] * 50 + steady(7000)[50:], **TARGET, shard="b")
    level, _, fix = lab.find("under a new name")
    assert level == "warn"
    assert "keep the labels of a series as they are" in fix


def test_replicas_behind_one_series_are_a_warning(lab):
    lab.start(**TARGET)
    idle = [7_756_564 + number // 8 - number % 2 for number in range(COUNT)]
    lab.write("v1", idle, **TARGET, zone="3")
    level, message, fix = lab.find("fell by a unit or so in")
    assert level == "warn"
    assert 'zone="3"' in message
    assert "let one process answer at an address" in fix


def test_a_series_that_its_exporter_forgets_is_a_warning(lab):
    lab.start(**TARGET)
    lab.write("v1", steady(400)[:40] + [None] * 8 + steady(5)[:12], **TARGET, zone="3")
    ((level, message, fix),) = lab.findings()
    assert level == "warn"
    assert "was missing at scrapes of its target" in message
    assert 'zone="3"' in message
    assert "let the exporter keep its series" in fix


def test_one_series_that_begins_anew_while_its_process_goes_on_is_a_warning(lab):
    lab.start(**TARGET)
    lab.write("v1", steady(400_000)[:45] + steady(5)[:15], **TARGET, zone="3")
    level, message, fix = lab.find("and nothing shows a restart")
    assert level == "warn"
    assert "fell from 400,440 to 5" in message
    assert "clusters were updated" in fix


def test_layouts_that_differ_are_told_with_what_they_share():
    lab = LiveSeries()
    lab.write_histogram("v1", (50, 55, 60, 66), lambda edge: min(1, edge / 70), **TARGET)
    lab.write_histogram("v2", (50, 55, 60, 66, 72), lambda edge: min(1, edge / 70), **TARGET)
    level, message, _ = lab.find("the same buckets: the versions", LATENCY)
    assert level == "warn"
    assert "the 4 edges that all share, from 50 to 66" in message


def test_layouts_with_nothing_in_common_fail():
    lab = LiveSeries()
    lab.write_histogram("v1", (50, 55), lambda edge: min(1, edge / 70), **TARGET)
    lab.write_histogram("v2", (51, 56), lambda edge: min(1, edge / 70), **TARGET)
    level, _, fix = lab.find("bucket layouts differ", LATENCY)
    assert level == "fail"
    assert "same buckets" in fix


@pytest.mark.parametrize(("tolerance", "fails"), [("10%", True), ("149%", True), ("150%", False)])
def test_buckets_too_coarse_for_the_tolerance_fail_with_the_smallest_one(tolerance, fails):
    lab = LiveSeries()
    for version in ("v1", "v2"):
        lab.write_histogram(version, ENVOY, lambda edge: min(1, edge / 200), **TARGET)
    guardrail = {**LATENCY, "tolerance": tolerance}
    levels = [f for f in lab.findings(guardrail) if f[0] == "fail"]
    assert bool(levels) == fails
    if fails:
        ((_, message, fix),) = levels
        assert f"cannot prove a tolerance of {tolerance.replace('%', ' %')}" in message
        assert "0.5, 1, 5, 10, 25" in message
        assert fix.startswith("set its tolerance to 150 %, the smallest that these buckets prove")


@pytest.mark.parametrize("tolerance", ["5%", "10%", "40%"])
@pytest.mark.parametrize("slowest", [4, 90, 200, 700, 4000])
def test_the_edges_that_are_proposed_prove_the_tolerance(tolerance, slowest):
    """The law of values may be anything: these lie evenly, and end within a bucket."""

    def share(edge):
        return round(1000 * min(1, edge / slowest)) / 1000

    def examine(edges):
        lab = LiveSeries()
        for version in ("v1", "v2"):
            # Whole numbers a scrape: a bucket that is rounded by itself would fall now and then.
            lab.write_histogram(version, edges, share, 1000, **TARGET)
        guardrail = {**LATENCY, "tolerance": tolerance}
        return [fix for level, _, fix in lab.findings(guardrail) if level == "fail"]

    (fix,) = examine(ENVOY)
    proposed = fix.partition("like this: ")[2].partition(", or")[0]
    proposals = re.findall(r"([\d.]+) (ms|s)", proposed)
    edges = {float(number) * (1000 if unit == "s" else 1) for number, unit in proposals}
    assert edges
    assert examine(sorted({*ENVOY, *edges})) == []


def test_too_few_requests_say_nothing_about_buckets():
    lab = LiveSeries()
    for version in ("v1", "v2"):
        lab.write_histogram(version, ENVOY, lambda edge: min(1, edge / 200) / 100, **TARGET)
    assert [f[0] for f in lab.findings(LATENCY)] == ["ok"]


def test_replicas_behind_a_balancer_are_a_warning(lab):
    other, asked = LiveSeries(), []
    for labels, samples in lab.server.samples.items():
        other.server.samples[labels] = [(at + 4.0, value) for at, value in samples]

    def read(url, text, at):
        asked.append(at)
        return (lab, other)[len(asked) % 2].read(url, text, at)

    examined = plan(scrape="15s")
    assert not [*of_server(examined, lab.read, NOW)]
    (finding,) = of_server(examined, read, NOW)
    assert (finding.check, finding.level) == ("prometheus", "warn")
    assert "several servers" in finding.said
    assert set(asked) == {NOW - 30}


def test_a_server_that_falls_silent_is_one_warning():
    def read(*_):
        raise ObserveError("Prometheus does not answer")

    assert not [*of_server(plan(), read, NOW)]
    (finding,) = of_plan(plan(), read, NOW)
    assert (finding.level, finding.fix) == ("warn", "see the finding on Prometheus")


def read_figures(lab, guardrail=ERRORS, now=NOW):
    examined = plan(guardrails=[guardrail], scrape="15s")
    return [
        (finding.level, finding.said)
        for finding in of_plan(examined, lab.read, now)
        if finding.check == "reading"
    ]


def test_what_a_metric_reads_today_is_told_of_both_versions(lab):
    lab.write("v1", steady(7, 1), **TARGET, envoy_response_code="503")
    ((level, text),) = read_figures(lab)
    assert level == "ok"
    assert text == (
        "v1: 3 series, 4 samples a minute, the last 16s ago, 48 requests a minute, "
        "8.333 % of them bad; v2: 2 series, 4 samples a minute, the last 16s ago, "
        "44 requests a minute, 0 % of them bad"
    )


def write_young(scrapes):
    lab = LiveSeries()
    for version in ("v1", "v2"):
        lab.write(version, [None] * (COUNT - scrapes) + of(version)[:scrapes], **TARGET)
    return lab


def test_a_target_that_was_just_started_is_not_said_to_serve_nothing():
    ((level, text),) = read_figures(write_young(1))
    assert level == "ok"
    assert text.count("too new to be counted: the first sample is 16s old") == 2
    assert "requests a minute" not in text


def test_what_is_young_is_counted_from_its_first_sample_on():
    ((level, text),) = read_figures(write_young(4))
    assert level == "ok"
    assert text.count("the last 16s ago, 40 requests a minute") == 2
    assert "too new" not in text


def test_edges_and_what_they_can_judge_are_told():
    lab = LiveSeries()
    for version in ("v1", "v2"):
        lab.write_histogram(version, ENVOY, lambda edge: min(1, edge / 200), **TARGET)
    ((level, text),) = read_figures(lab, LATENCY)
    assert level == "ok"
    assert "v1: 14 series" not in text, "buckets of one histogram are one series"
    assert "edges 0.5 ms, 1 ms, 5 ms, 10 ms" in text
    assert text.endswith("the finest tolerance is 150 %: 100 ms to 250 ms")
    slower = {"than": "100ms", "margin": {"absolute": "1%"}}
    ((_, text),) = read_figures(lab, {**LATENCY, "tolerance": None, "slower": slower})
    assert "40 values a minute, 50 % of them bad" in text
    assert text.endswith("; edge 100 ms")


def test_a_stable_version_that_is_no_longer_scraped_fails(lab):
    assert [level for level, _ in read_figures(lab)] == ["ok"]
    levels = read_figures(lab, now=NOW + 120)
    assert [level for level, _ in levels] == ["ok", "fail"]
    assert levels[1][1] == "no new sample of v1 for 2m16s: it would be blind"
    never = {"name": "leaks", "template": "envoy/errors", "never": {"count": 1}}
    assert [level for level, _ in read_figures(lab, never, NOW + 120)] == ["ok"]


def test_a_canary_without_series_is_told():
    lab = LiveSeries()
    lab.write("v1", of("v1"), **TARGET)
    ((level, text),) = read_figures(lab)
    assert (level, text.rpartition("; ")[2]) == ("ok", "v2: no series")


def test_a_counter_that_is_not_a_number_is_told(lab):
    lab.write("v1", [math.nan] * COUNT, **TARGET, envoy_response_code="503")
    level, _, _ = lab.find("a sample is not a finite number")
    assert level == "fail"


def test_a_sum_of_money_has_its_cure(lab):
    lab.write("v1", [n / 7 for n in range(COUNT)], **TARGET, envoy_response_code="503")
    _, _, fix = lab.find("a sample is not a whole number")
    assert "make a `ratio` with a `step`" in fix


def test_a_bad_that_selects_good_units_too_is_a_warning(lab):
    errors = {"name": "e", "margin": {"absolute": "1%"}, "labels": {"version": "version"}}
    labels = {"service": "destination_service", "version": "destination_version"}
    errors |= {"counter": {"series": RATE, "bad": {"envoy_response_code": "!="}}, "labels": labels}
    levels = read_figures(lab, errors)
    assert [level for level, _ in levels] == ["ok", "warn"]
    assert re.fullmatch(r"every one of v1's \d+ requests is bad", levels[1][1])


def test_a_histogram_of_one_bucket_fails():
    lab = LiveSeries()
    for version in ("v1", "v2"):
        lab.write_histogram(version, (), lambda _edge: 1, **TARGET)
    level, _, fix = next(f for f in lab.findings(LATENCY) if "only bucket is +Inf" in f[1])
    assert level == "fail"
    assert fix


@pytest.mark.parametrize(("is_scraped", "words"), [(True, "say `lag: 50s`"), (False, "*Status")])
def test_samples_with_times_in_the_past_need_a_lag(is_scraped, words):
    lab = LiveSeries()
    for number in range(COUNT + 2 * is_scraped):
        lab.server.write("up", TARGET, number * SCRAPE - 10, 1)
    lab.write("v1", of("v1"), **TARGET)
    examined = plan(guardrails=[ERRORS], scrape="2s")
    (fix,) = [f.fix for f in of_plan(examined, lab.read, NOW + 11) if "would be blind" in f.said]
    assert words in fix


@pytest.mark.parametrize("most", [9, 900])
def test_the_counts_of_intervals_are_no_counter(lab, most):
    values = [(7 * number) % 10 * most // 9 for number in range(COUNT)]
    lab.write("v2", values, **TARGET, zone="3")
    level, message, fix = next(f for f in lab.findings() if "and rose by no more" in f[1])
    assert level == "warn"
    assert "of 30 scrapes" in message
    assert "name a counter" in fix


TENTHS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@pytest.mark.parametrize(
    ("edges", "is_told"),
    [
        (TENTHS, True),
        ((*TENTHS, 0.9999999999999999), True),  # what adding up tenths gives: 1 lies beyond it
        ((*TENTHS, 1.0), False),
        ((*TENTHS, 1.0, 2.0), True),
    ],
)
def test_scores_beyond_an_edge_that_ends_no_scale_are_told(edges, is_told):
    lab = LiveSeries()
    for version, units in (("v1", 40), ("v2", 20)):
        for number, edge in enumerate((*edges, math.inf), 1):
            named = {"service": "summarizer", "model_version": version} | TARGET
            le = "+Inf" if edge == math.inf else repr(edge)
            for n in range(COUNT):
                at, count = n * SCRAPE, (100 + n) * units * number
                name = "gen_ai_evaluation_score_bucket"
                lab.server.write(name, named | {"le": le}, at, count)
    score = {"name": "accuracy", "template": "quality/score", "tolerance": 0.5}
    warnings = [f for f in lab.findings(score) if "counts as the best" in f[1]]
    assert bool(warnings) is is_told
    assert all(level == "warn" and "1, 5, 10, 100" in fix for level, _, fix in warnings)
