"""`doctor` on a real Prometheus and small exporters: each set-up that misleads, with its cure."""

from __future__ import annotations

import time

import pytest

from rollout.demo.servers.process import free_ports
from rollout.demo.servers.start import start_prometheus
from rollout.doctor.series import of_plan as of_series
from rollout.doctor.setups import of_plan
from rollout.wire.doctor_tools import doctor_tools
from tests.live.prom import RATE, SHAPE, Pages, labels
from tests.support.asking import ERRORS, plan

pytestmark = pytest.mark.live

TURN = 12  # the scrape at which something happens
SCORE = {"name": "accuracy", "template": "quality/score", "tolerance": 0.02}
LINKERD = {"name": "errors", "template": "linkerd/errors", "margin": {"absolute": "1%"}}
BEYOND = {"than": "100ms", "margin": {"absolute": "1%"}}
SHARE = {"name": "latency", "template": "envoy/latency", "slower": BEYOND}
TENTHS = (*(f"0.{tenth}" for tenth in range(1, 10)), "1", "+Inf")
COARSE = {"name": "latency", "template": "envoy/latency", "tolerance": "10%"}
ENVOY = ("0.5", "1", "5", "10", "25", "50", "100", "250", "500", "1000", "2500", "+Inf")


def rate(service: str, canary: float, stable: float, **more: str) -> str:
    """Counters of both versions."""
    more = {"envoy_response_code": "200", **more}
    rows = {"v1": stable, "v2": canary}.items()
    return "".join(f"{RATE}{labels(v, service, **more)} {int(n)}\n" for v, n in rows)


def shape(service: str, n: int, edges: tuple[str, ...], version: str, **more: str) -> str:
    """A histogram whose units lie evenly over its buckets."""
    units = {"v1": 40, "v2": 20}[version]
    return "".join(
        f"{SHAPE}{labels(version, service, le=edge, **more)} {(n + 50) * units * below}\n"
        for below, edge in enumerate(edges, 1)
    )


def steady(service: str, n: int) -> str:
    return rate(service, 100 * n + 500, 300 * n + 900)


def fall_of_one_series(n: int) -> str:
    """A cluster is updated: one series begins again, the process and its sibling go on."""
    begun = 400_000 + 10 * n if n < TURN else 5 * (n - TURN)
    return steady("cds", n) + rate("cds", begun, 10 * n, envoy_response_code="204")


def scores(n: int) -> str:
    """Scores of which some are NaN: a Go client counts them beyond the last edge."""
    return "".join(
        f'gen_ai_evaluation_score_bucket{{service="nan",model_version="{version}",le="{edge}"}} '
        f"{(n + 50) * (10 * below + (20 if edge == '+Inf' and version == 'v2' else 0))}\n"
        for version in ("v1", "v2")
        for below, edge in enumerate(TENTHS, 1)
    )


def outcome(named: str) -> str:
    return f',classification="{named}"' if named else ""


def unclassified(n: int) -> str:
    """Requests of Linkerd, of which one canary series does not say whether they failed."""
    rows = (("v1", "success", 300), ("v2", "success", 100), ("v2", "", 20))
    return "".join(
        f'response_total{{app="bare",namespace="default",direction="inbound",version="{version}"'
        f"{outcome(named)}}} {units * (n + 9)}\n"
        for version, named, units in rows
    )


def late(n: int) -> str:
    return rate("late", 500_000 + n, 500_000 + n, pod="2") if n >= TURN else ""


def renamed(n: int) -> str:
    """A relabelling that is changed: the same series have another label from then on."""
    return rate("renamed", 100 * n + 500, 300 * n + 900, shard="a" if n < TURN else "b")


def forgotten(n: int) -> str:
    """An exporter that drops idle series, and begins them anew."""
    begun = 10 * n + 400 if n < TURN - 5 else 10 * (n - TURN) + 3
    idle = rate("forgotten", begun, begun, envoy_response_code="503")
    return steady("forgotten", n) + (idle if not TURN - 5 <= n < TURN else "")


SERVES = {
    "/renamed": renamed,
    "/forgotten": forgotten,
    "/cds": fall_of_one_series,
    "/first": lambda n: steady("late", n),
    "/late": late,
    "/pair": lambda n: rate("pair", 7_756_000 + n // 2 - n % 2, 9_756_000 + n // 2 - n % 2),
    "/workers": lambda n: rate("workers", 9000 + 3 * n if n % 2 else 4000 + 3 * n, 100 * n),
    "/twin": lambda n: rate("twin", 10 * time.time(), 20 * time.time()),
    "/spelling": lambda n: (
        shape("spelling", n, ("1", "100" if n < TURN else "100.0", "250", "+Inf"), "v1")
        + shape("spelling", n, ("1", "100", "250", "+Inf"), "v2")
    ),
    "/tops": lambda n: (
        shape("tops", n, ENVOY, "v1") + shape("tops", n, (*ENVOY[:-1], "9000", "+Inf"), "v2")
    ),
    "/nan": scores,
    "/bare": unclassified,
}
JOBS = {"one": "/twin", "two": "/twin", **{path[1:]: path for path in SERVES if path != "/twin"}}
EXAMINED = {
    "renamed": ERRORS,
    "forgotten": ERRORS,
    "cds": ERRORS,
    "late": ERRORS,
    "pair": ERRORS,
    "workers": ERRORS,
    "twin": ERRORS,
    "spelling": SHARE,
    "tops": COARSE,
    "nan": SCORE,
    "bare": LINKERD,
}


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    """What `doctor` tells of each set-up's series, after some scrapes of all of them."""
    (port,) = free_ports(1)
    with Pages(SERVES).serving() as pages:
        jobs = {job: pages.url + path for job, path in JOBS.items()}
        with start_prometheus(tmp_path_factory.mktemp("setups"), port, jobs) as server:
            time.sleep(2 * TURN)
            tools = doctor_tools()
            return {
                name: [
                    finding
                    for examined in [plan(name, [guardrail], server.url, scrape="1s")]
                    for finding in (
                        *of_series(examined, tools.query),
                        *of_plan(examined, tools.read, tools.now()),
                    )
                ]
                for name, guardrail in EXAMINED.items()
            }


@pytest.mark.parametrize(
    ("name", "words", "cure"),
    [
        ("late", " is new, and nothing shows", "process_start_time_seconds"),
        ("workers", "several processes seem to answer", "let one process answer"),
        ("pair", "fell by a unit or so", "let one process answer"),
        ("renamed", "under a new name", "keep the labels of a series"),
        ("forgotten", "missing at scrapes of its target", "keep its series"),
        ("cds", "nothing shows a restart", "clusters were updated"),
        ("twin", "there twice and count once", "scrape it once"),
        ("tops", "not all series have the same buckets", "the same buckets"),
        ("tops", "10 %", "edges"),
        ("nan", "are NaN or beyond the scale", "mend the scorer"),
        ("bare", "classification", "export the label with every unit"),
    ],
)
def test_what_misleads_is_told_with_its_cure(findings, name, words, cure):
    bad = [finding for finding in findings[name] if finding.level in {"warn", "fail"}]
    assert any(words in finding.said and cure in finding.fix for finding in bad), [
        f"{finding}" for finding in findings[name]
    ]


@pytest.mark.parametrize("name", ["pair", "spelling", "cds"])
def test_what_is_counted_right_is_no_failure(findings, name):
    assert not [f for f in findings[name] if f.level == "fail" and f.check == "series"], [
        f"{finding}" for finding in findings[name]
    ]
