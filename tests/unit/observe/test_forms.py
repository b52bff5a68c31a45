"""Histograms that are scraped natively, with classic buckets, or both, and change meanwhile."""

import random
import re
from collections import defaultdict

import pytest

from analysis.counting.counts import Counts
from tests.support.natives import SIZE, sample
from tests.support.scraped import WrittenPrometheus
from tests.support.tallied import TalliedRollout

APP = {"histogram": {"series": "app_ms", "unit": "ms"}, "labels": {"version": "v"}}
SHAPE = {"name": "slow", "tolerance": 0.25, **APP}
EDGE = {"name": "slow", "slower": {"than": "64ms", "margin": {"absolute": "1%"}}, **APP}
CLASSIC = (("8", 3), ("64", 6), ("256", 8), ("+Inf", 99))
SCRAPE, LOOKS, CHANGE = 15.0, range(3, 16), 8
SERVED = {"v1": 10, "v2": 7}  # in a scrape interval


class NativePrometheus(WrittenPrometheus):
    """A Prometheus with native histograms too."""

    def __init__(self):
        super().__init__()
        self.natives = defaultdict(list)

    def custom_query(self, query, params):
        rows = super().custom_query(query, params)
        window, now = float(re.findall(r"\[(\d+)s\]", query)[0]), float(params["time"])
        for labels, points in self.natives.items():
            histograms = [point for point in points if now - window < point[0] <= now]
            if histograms and "app_ms" in query:
                rows.append({"metric": dict(labels), "histograms": histograms})
        return rows


def roll_out(guardrail, form, *, restarts=False, pods=2):
    """What looks count of the canary, what it served since the baseline, and the problems.

    `form` tells how a pod of a version is scraped at a scrape.
    """
    server, dice = NativePrometheus(), random.Random(3)
    rollout = TalliedRollout(server, guardrail, SCRAPE)
    values: dict[tuple[int, str], list[int]] = defaultdict(list)
    served, counted, problems = 0, 0, set()
    for scrape in range(LOOKS.stop):
        for pod in range(pods):
            for version, units in SERVED.items():
                own = values[pod, version]
                own += [round(dice.gauss(5, 1.5) * SIZE) for _ in range(units)]
                served += units if version == "v2" and scrape > LOOKS.start else 0
                labels = {"v": version, "job": "j", "instance": f"pod-{pod}:1"}
                write(server, labels, scrape * SCRAPE + pod, own, form(scrape, pod, version))
        if scrape in LOOKS:
            if restarts and scrape % 3 == 0:
                rollout.restart()
            rollout.total = Counts()  # layouts may change
            counted += rollout.look(scrape * SCRAPE + 5).canary_exposures
            problems.add(rollout.problem)
    return counted, served, problems - {""}


def write(server, labels, at, values, form):
    if form in {"native", "both"}:
        named = tuple(sorted({"__name__": "app_ms", **labels}.items()))
        server.natives[named].append(sample(at, 3, values))
    if form in {"classic", "both"}:
        for edge, exponent in CLASSIC:
            below = sum(value <= exponent * SIZE for value in values)
            server.write("app_ms_bucket", {**labels, "le": edge}, at, below)


def then(before, after):
    return lambda scrape, _pod, _version: before if scrape < CHANGE else after


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize(
    ("guardrail", "form"),
    [
        (SHAPE, then("native", "both")),
        (SHAPE, then("classic", "both")),
        *((EDGE, then("native", other)) for other in ("classic", "both")),
        *((EDGE, then("classic", other)) for other in ("native", "both")),
        (EDGE, then("both", "native")),
        (EDGE, lambda _scrape, _pod, version: {"v1": "classic", "v2": "native"}[version]),
        (EDGE, lambda _scrape, pod, _version: "native" if pod else "classic"),
        (EDGE, lambda scrape, pod, _version: "native" if scrape > CHANGE + pod else "classic"),
    ],
)
def test_every_unit_counts_once_whatever_form_it_is_in(guardrail, form, restarts):
    counted, served, problems = roll_out(guardrail, form, restarts=restarts)
    assert counted == served > 0
    assert not problems


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize(
    ("form", "words"),
    [
        (then("native", "classic"), "native histograms follow classic ones"),
        (then("classic", "native"), "native histograms follow classic ones"),
        (then("both", "native"), "native histograms follow classic ones"),
        (
            lambda _scrape, _pod, version: {"v1": "classic", "v2": "native"}[version],
            "some series are native histograms",
        ),
        (
            lambda _scrape, pod, _version: "native" if pod else "classic",
            "some series are native histograms",
        ),
    ],
)
def test_whole_shapes_of_two_forms_are_not_compared_and_that_is_told(form, words, restarts):
    counted, served, problems = roll_out(SHAPE, form, restarts=restarts)
    assert counted < served
    assert any(words in problem for problem in problems)


def test_a_pod_that_ended_in_another_form_does_not_count_against_those_that_go_on():
    def form(scrape, pod, _version):
        return ("classic" if scrape < 1 else "") if pod == 2 else "native"

    counted, served, problems = roll_out(SHAPE, form, pods=3)
    assert counted == served * 2 // 3
    assert not problems
