"""The observer on a real Prometheus: counts equal the servers' own counts, exactly."""

import asyncio
import time

import pytest
from prometheus_api_client import PrometheusConnect

from analysis.counting.counts import Counts
from rollout.decide.record.split import Split
from rollout.demo.servers.process import free_ports
from rollout.demo.servers.start import start_prometheus
from rollout.observe.prometheus import PrometheusObserver
from rollout.route.envoy.proxy import EnvoyRouter
from tests.live.prom import RATE, SHAPE, GuardrailWatch, Toy, labels, past
from tests.live.stories import LAST, LENGTH, SCRAPE, START, story, story_of_buckets
from tests.support.asking import ERRORS, LATENCY, ask
from tests.support.local_envoy import ask_many

pytestmark = pytest.mark.live


def bad_values():
    """v1 exposes NaN from the 10th to the 14th scrape; v2 ends on NaN after the 5th."""
    nan = {10: "NaN", 11: "NaN", 12: "NaN", 13: "NaN", 14: "NaN"}
    named = labels("v1", "nan", envoy_response_code="200")
    ended = labels("v2", "nan", envoy_response_code="200")
    return [
        *((named, START + SCRAPE * i, nan.get(i, 100 + i)) for i in range(LENGTH)),
        *((ended, START + SCRAPE * i, 5 if i < 5 else "NaN") for i in range(6)),
    ]


def fleet():
    rows = []
    for i in range(300):
        text = labels("v1", f"fleet-{i}.example", envoy_response_code="200")
        rows += [(text, START + 100, 5), (text, START + 102, 5 + i)]
    return rows


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    samples = {RATE: [*story(), *bad_values(), *fleet()], SHAPE: story_of_buckets()}
    with past(tmp_path_factory.mktemp("past"), samples) as running:
        yield running


FIRST = 3.0
POLLING = {
    "on time": [2.0 * i for i in range(2, LENGTH + 1)],
    "slower than scrapes": [9.0 * i for i in range(1, 14)],
    "twice each": [2.0 * (i // 2) for i in range(4, 2 * LENGTH + 2)],
    "late by anything": [5.1, 5.2, 30.0, 59.9, 60.1, 61.0, 100.0, 100.0, 119.0],
    "a clock that goes back": [40.0, 20.0, 80.0, 61.0, 20.0],
    "once, at the end": [],
}


def polled(url, guardrail, times):
    watch = GuardrailWatch(url, guardrail)
    for at in (FIRST, *times, LAST):
        assert watch.look(START + at) == ""
    return watch.total


@pytest.mark.parametrize("times", POLLING.values(), ids=POLLING)
def test_counts_are_exact_however_one_polls(url, times):
    # The first look sees two scrapes of each series; what came later counts.
    stable = (790 - 510) + (3 + 290)
    canary, burst = LENGTH - 2, 41
    assert polled(url, ERRORS, times) == Counts((canary + burst, burst), (stable, 0))


@pytest.mark.parametrize("times", POLLING.values(), ids=POLLING)
def test_buckets_are_exact_however_one_polls(url, times):
    first, second = 59 - 31, 29
    canary = (2 * (first + second), first + second, 0)
    stable = (58, 2 * 58, 3 * 58)
    assert polled(url, LATENCY, times) == Counts(canary, stable, (5.0, 10.0, float("inf")))


def test_increase_does_not_see_the_burst_that_we_count(url):
    text = f'increase({RATE}{{envoy_response_code="503"}}[30s])'
    client = PrometheusConnect(url)
    (sample,) = client.custom_query(text, params={"time": START + SCRAPE * 22})
    client.close()
    assert float(sample["value"][1]) == 0
    watch = GuardrailWatch(url, ERRORS)
    watch.look(START + SCRAPE * 19)
    watch.look(START + SCRAPE * 22)
    assert watch.total.canary_bad == 40


def test_nan_is_a_problem_until_a_number_follows(url):
    watch = GuardrailWatch(url, ERRORS)
    watch.words["service"] = "nan"
    problem = {i: watch.look(START + SCRAPE * i + 0.1) for i in (2, 8, 9, 11, 14, 15, 30)}
    bad = "a sample is not a finite number"
    assert problem == {2: "", 8: "", 9: "", 11: bad, 14: bad, 15: "", 30: ""}
    assert watch.total.stable_exposures == 30 - 2


def test_an_arm_that_is_nan_is_a_problem_while_it_is_fresh(url):
    watch = GuardrailWatch(url, ERRORS)
    watch.words["service"] = "nan"
    problem = [bool(watch.look(START + SCRAPE * i + 0.1)) for i in (2, 5, 6, 9)]
    assert problem == [False, True, True, False]


def test_a_fleet_is_answered_by_two_queries_and_every_rollout_by_its_own_samples(url):
    observer = PrometheusObserver(in_past=True)
    asks = [ask(service=f"fleet-{i}.example", guardrails=[ERRORS], url=url) for i in range(300)]
    answers = observer.observe(asks, START + 103)
    observer.close()
    newest = [answers[ask.rollout].series["errors"][0].samples[-1][1][0] for ask in asks]
    assert newest == [5 + i for i in range(300)]


def test_a_label_that_no_series_has_finds_nothing_and_says_nothing_wrong(url):
    odd = ERRORS | {"labels": {"service": "no_label_of_ours"}}
    watch = GuardrailWatch(url, odd)
    assert watch.look(START + 10) == ""
    assert watch.total == Counts()
    assert watch.cursor.newest("stable") is None


def until(condition, what, seconds=120.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"no {what} after {seconds} s"
        time.sleep(0.1)


def caught_up(watch):
    """Look until a scrape that began after this call was seen on the stable arm."""
    called = time.time()
    until(lambda: not watch.look(time.time()) and newest(watch) > called, "new scrape")


def newest(watch, arm="stable"):
    return watch.cursor.newest(arm) or 0.0


def test_nothing_is_lost_or_counted_twice_while_servers_come_and_go(tmp_path):
    port = free_ports(1)[0]
    with Toy().serving() as toy:
        toy.count("v1", "200", 1000)
        toy.count("v2", "200", 10)
        targets = {"toy": toy.url}
        with start_prometheus(tmp_path, port, targets) as server:
            watch = GuardrailWatch(server.url, ERRORS, scrape="1s")
            caught_up(watch)
            toy.truth.clear()
            for _ in range(2):  # steady traffic, then an error series born with its first burst
                toy.count("v1", "200", 100)
                toy.count("v2", "200", 7)
                caught_up(watch)
            toy.count("v2", "503", 40)
            caught_up(watch)
            assert exact(watch, toy)
            toy.restart()  # the exporter's process is replaced
            toy.count("v1", "200", 30)
            toy.count("v2", "503", 3)
            caught_up(watch)
            assert exact(watch, toy)
            toy.failing = True  # scrapes are missed while traffic goes on
            toy.count("v1", "200", 11)
            time.sleep(2.5)
            toy.failing = False
            caught_up(watch)
            assert exact(watch, toy)
            toy.hidden.add("v2")  # an arm vanishes (stale), counts on, and returns
            caught_up(watch)
            gone = newest(watch, "canary")
            toy.count("v2", "503", 2)
            caught_up(watch)
            assert newest(watch, "canary") == gone
            toy.hidden.clear()
            caught_up(watch)
            assert exact(watch, toy)
            server.process.kill()
        problem = watch.look(time.time())
        assert problem == f"Prometheus does not answer at 127.0.0.1:{port}: connection refused"
        toy.count("v1", "200", 55)
        toy.count("v2", "503", 5)
        with start_prometheus(tmp_path, port, targets):
            caught_up(watch)
            assert exact(watch, toy)
            watch.look(watch.cursor.newest("stable"))
            assert exact(watch, toy)


@pytest.mark.parametrize("wrong", [3600, -3600, 86_400])
def test_a_clock_that_is_wrong_reads_what_the_server_has(tmp_path, wrong):
    """By as many seconds; the server's answers tell its own time."""
    port = free_ports(1)[0]
    with (
        Toy().serving() as toy,
        start_prometheus(tmp_path, port, {"toy": toy.url}) as server,
    ):
        toy.count("v1", "200", 1000)
        toy.count("v2", "200", 10)
        watch = GuardrailWatch(server.url, ERRORS, scrape="1s")
        watch.observer = PrometheusObserver()

        def look_again():
            called = time.time()
            until(lambda: not watch.look(time.time() + wrong) and newest(watch) > called, "scrape")

        look_again()
        toy.truth.clear()
        toy.count("v1", "200", 100)
        toy.count("v2", "503", 7)
        look_again()
        assert exact(watch, toy)


def test_what_envoy_served_is_what_we_count(net, tmp_path):
    port, router = free_ports(1)[0], EnvoyRouter()
    with start_prometheus(tmp_path / "p", port, {"envoy": net.envoy.metrics}) as server:
        errors, latency = (GuardrailWatch(server.url, g, scrape="1s") for g in (ERRORS, LATENCY))
        asyncio.run(ask_many(net.envoy.url, 30))
        caught_up(errors)
        caught_up(latency)
        net.toys.served.clear()
        asyncio.run(ask_many(net.envoy.url, 200))
        router.write(net.plan, Split(100), "all")
        until(lambda: router.read(net.plan, 100).write_id == "all", "receipt")
        asyncio.run(ask_many(f"{net.envoy.url}/?status=503", 40))  # v2's first requests of all
        asyncio.run(ask_many(f"{net.envoy.url}/?ms=30", 60))
        caught_up(errors)
        caught_up(latency)
    assert net.toys.served == {("v1", 200): 200, ("v2", 503): 40, ("v2", 200): 60}
    assert errors.total == Counts((100, 40), (200, 0))
    assert (latency.total.canary_exposures, latency.total.stable_exposures) == (100, 200)
    buckets = zip(latency.total.edges, latency.total.canary, strict=True)
    assert sum(count for edge, count in buckets if edge > 30) >= 60


def exact(watch, toy):
    """Whether both arms' counts are the exporter's own."""
    counts, truth = watch.total, toy.truth
    assert (counts.stable_exposures, counts.stable_bad) == (truth["v1"], truth["v1", "bad"])
    assert (counts.canary_exposures, counts.canary_bad) == (truth["v2"], truth["v2", "bad"])
    return True
