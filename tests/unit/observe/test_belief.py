"""What exporters and scrapes really send: believed, a baseline, ignored, or blind in words."""

import pytest

from tests.support.asking import ERRORS
from tests.support.scraped import ObservedRollout, WrittenPrometheus
from tests.support.tallied import TalliedRollout

RATE = "envoy_cluster_upstream_rq"
SCRAPE = 15.0
TARGET = {"job": "envoy", "instance": "10.0.0.1:9901"}


class Scrapes:
    """A server and a rollout that looks after each scrape of what the test writes."""

    def __init__(self, rollout=ObservedRollout):
        self.server = WrittenPrometheus()
        self.rollout = rollout(self.server, ERRORS, SCRAPE)

    def write(self, version, values, code="200", first=0, **labels):
        """Write a series, one value for each scrape from `first` on; None is a missing one."""
        named = {"destination_service": "summarizer", "destination_version": version}
        for number, value in enumerate(values, first):
            if value is not None:
                self.server.write(
                    RATE, named | {"envoy_response_code": code} | labels, number * SCRAPE, value
                )

    def meta(self, name, values, first=0, **labels):
        for number, value in enumerate(values, first):
            if value is not None:
                self.server.write(name, labels, number * SCRAPE, value)

    def look(self, first, last):
        """Look after each scrape from `first` to `last`; return what was counted of the canary."""
        return [
            self.rollout.look(number * SCRAPE + 1).canary[:1] or (0,)
            for number in range(first, last + 1)
        ]


@pytest.fixture
def scrapes():
    lab = Scrapes()
    lab.write("v1", [1000 + 100 * n for n in range(40)], **TARGET)
    return lab


def count(lab, first=3, last=12):
    lab.look(first, last)
    return lab.rollout.total.canary


def test_one_series_begins_again_and_its_siblings_go_on(scrapes):
    steady = [400_000 + 10 * n for n in range(13)]
    scrapes.write("v2", steady, pod="1", **TARGET)
    scrapes.write("v2", [*[500 + 10 * n for n in range(8)], *[5 + 10 * n for n in range(5)]],
                  pod="2", **TARGET)  # fmt: skip
    assert count(scrapes) == (90 + 40 + 5 + 40, 0)
    assert not scrapes.rollout.problem


def test_a_target_that_is_scraped_late_is_a_baseline(scrapes):
    scrapes.write("v2", [100 + 10 * n for n in range(13)], pod="1", **TARGET)
    late = {"job": "envoy", "instance": "10.0.0.2:9901", "pod": "2"}
    scrapes.write("v2", [500_000 + 10 * n for n in range(5)], first=8, **late)
    scrapes.meta("up", [1] * 5, first=8, **late)
    scrapes.meta("envoy_server_uptime", [900_000 + 15 * n for n in range(5)], first=8, **late)
    assert count(scrapes) == (90 + 40, 0)
    assert "is new" in scrapes.rollout.unbelieved[0]


def test_a_late_target_behind_a_collector_is_a_baseline(scrapes):
    scrapes.write("v2", [100 + 10 * n for n in range(13)], pod="1", **TARGET)
    scrapes.write("v2", [300 + 10 * n for n in range(5)], first=8, pod="2", **TARGET)
    scrapes.meta("up", [1] * 13, **TARGET)
    scrapes.meta("envoy_server_uptime", [15 * n for n in range(13)], **TARGET)
    assert count(scrapes) == (90 + 40, 0)


@pytest.mark.parametrize("evidence", ["up", "uptime", "created"])
def test_a_new_process_counts_from_its_birth_where_something_shows_it(scrapes, evidence):
    new = {"job": "envoy", "instance": "10.0.0.2:9901", "pod": "2"}
    scrapes.write("v2", [40 + 10 * n for n in range(5)], code="503", first=8, **new)
    if evidence == "up":
        scrapes.meta("up", [1] * 13, **new)
    elif evidence == "uptime":
        scrapes.meta("envoy_server_uptime", [7 + 15 * n for n in range(5)], first=8, **new)
    else:
        named = {"destination_service": "summarizer", "destination_version": "v2"}
        scrapes.meta(f"{RATE}_created", [8 * SCRAPE - 5] * 5, first=8,
                     envoy_response_code="503", **named, **new)  # fmt: skip
    assert count(scrapes) == (80, 80)


def test_a_first_burst_on_a_process_that_was_scraped_before_counts_in_full(scrapes):
    scrapes.write("v2", [40, 41, 42], code="503", first=8, **TARGET)
    assert count(scrapes) == (42, 42)


def test_a_series_that_was_renamed_is_a_baseline(scrapes):
    scrapes.write("v2", [100 + 10 * n for n in range(8)], zone="a", **TARGET)
    scrapes.write("v2", [180 + 10 * n for n in range(5)], first=8, cell="a", **TARGET)
    assert count(scrapes) == (40 + 40, 0)


def test_an_instance_that_was_renamed_is_a_baseline(scrapes):
    own = {"job": "envoy", "pod": "1"}
    scrapes.write("v2", [None] * 4 + [10 * n for n in range(1, 5)], instance="a:1", **own)
    scrapes.meta("envoy_server_uptime", [7 + 15 * n for n in range(4)], first=4,
                 instance="a:1", **own)  # fmt: skip
    scrapes.write("v2", [50, 60, 70], first=8, instance="b:1", **own)
    scrapes.meta("envoy_server_uptime", [67, 82, 97], first=8, instance="b:1", **own)
    assert count(scrapes, last=10) == (40 + 20, 0)


@pytest.mark.parametrize("lasts", [False, True])
def test_a_surge_of_one_series_does_not_excuse_the_leap_of_another(scrapes, lasts):
    """By the surge alone, 200 to 1,200, the leap of 3,000 would be a rise."""
    step = (1000, 3000) if lasts else (10, 10)
    for code, burst, more in zip(("200", "503"), (1000, 3000), step, strict=True):
        calm = [100 + 10 * n for n in range(8)]
        scrapes.write("v2", [*calm, *[calm[-1] + burst + more * n for n in range(5)]],
                      code=code, **TARGET)  # fmt: skip
    scrapes.look(3, 7)
    assert scrapes.look(8, 10) == [(0,)] * 3
    assert "leapt" in scrapes.rollout.problem
    scrapes.look(11, 12)
    assert not scrapes.rollout.problem
    served = 5 * 4000 if lasts else 1000 + 4 * 20
    assert scrapes.rollout.total.canary[0] == 4 * 20 + served


def test_a_fall_by_one_is_ignored_and_nothing_counts_twice(scrapes):
    values = [7_756_564, 7_756_563, 7_756_570, 7_756_569, 7_756_569, 7_756_580, 7_756_579]
    scrapes.write("v2", values, first=2, **TARGET)
    assert count(scrapes, last=8) == (16 - 6 + 6, 0)


def test_several_workers_behind_one_address_are_blind_with_the_reason(scrapes):
    a, b = ([start + 30 * n for n in range(20)] for start in (9100, 4020))
    flapping = [a[n] if n % 2 else b[n] for n in range(20)]
    scrapes.write("v2", flapping, pod="1", **TARGET)
    scrapes.look(3, 18)
    assert "several processes seem to answer at one address" in scrapes.rollout.problem
    assert "envoy_response_code, instance, job, pod" in scrapes.rollout.problem
    assert scrapes.rollout.total.canary_exposures <= 60 * 15


def test_young_workers_behind_one_address_are_blind_before_anything_is_counted_twice(scrapes):
    a, b = [30 + 2 * n for n in range(20)], [3 + n // 2 for n in range(20)]
    flapping = [b[n] if n > 5 and n % 2 else a[n] for n in range(20)]
    own = {"job": "app", "instance": "10.0.0.9:1"}
    scrapes.write("v2", flapping, code="503", **own)
    scrapes.meta("envoy_server_uptime", [1000 + 15 * n for n in range(20)], **own)
    scrapes.look(3, 7)
    assert "fell from 42 to 6: the scrapes after it tell" in scrapes.rollout.problem
    scrapes.look(8, 18)
    assert "several processes seem to answer at one address" in scrapes.rollout.problem
    assert scrapes.rollout.total.canary == (2 * 5, 2 * 5)


def test_workers_whose_starts_nobody_knows_are_taken_for_a_restart_only_once(scrapes):
    a, b = [30 + 2 * n for n in range(20)], [3 + n // 2 for n in range(20)]
    flapping = [b[n] if n > 5 and n % 2 else a[n] for n in range(20)]
    scrapes.write("v2", flapping, code="503", job="app", instance="10.0.0.9:1")
    scrapes.look(3, 7)
    assert not scrapes.rollout.problem
    scrapes.look(8, 18)
    assert "several processes seem to answer at one address" in scrapes.rollout.problem
    assert scrapes.rollout.total.canary[1] == 2 * 3 + 6  # one fall, and what is back pays for it
    assert "fell to 6, and back" in scrapes.rollout.unbelieved[0]


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("looks", [range(3, 13), range(3, 13, 4)])
def test_a_worker_that_was_there_before_does_not_come_back_as_new_failures(looks, restarts):
    """Another worker answers once: when it served what it shows nobody knows, so it is no news."""
    old, young = [900 + 30 * n for n in range(13)], [15 * (n - 7) for n in range(13)]
    app, lab = {"job": "app", "instance": "10.0.0.9:1"}, Scrapes(TalliedRollout)
    lab.write("v1", [1000 + 100 * n for n in range(13)], **TARGET)
    lab.write("v2", [young[n] if n == 9 else old[n] for n in range(13)], **app)
    lab.write("v2", [1 if n == 9 else 40 + n // 3 for n in range(13)], code="503", **app)
    for number in looks:
        if restarts and number == 10:
            lab.rollout.restart()
        lab.look(number, number)
    lab.look(12, 12)
    assert not lab.rollout.problem
    assert lab.rollout.total.canary == (30 * 9 + (4 - 1), 4 - 1)


def test_failures_after_a_restart_are_no_way_back_where_the_requests_begin_anew(scrapes):
    app = {"job": "app", "instance": "10.0.0.9:1"}
    answered = [500 + 30 * n for n in range(8)] + [25, 50, 80, 110, 140]
    scrapes.write("v2", answered, **app)
    scrapes.write("v2", [14] * 8 + [0, 20, 25, 30, 35], code="503", **app)
    assert count(scrapes) == (30 * 4 + 140 + 35, 35)


def test_a_restart_of_which_nothing_is_known_counts_at_once(scrapes):
    restarted = [400 + 10 * n for n in range(8)] + [5 + 10 * n for n in range(5)]
    scrapes.write("v2", restarted, job="app", instance="10.0.0.9:1")
    scrapes.look(3, 8)
    assert not scrapes.rollout.problem
    assert scrapes.rollout.total.canary == (40 + 5, 0)


def test_a_fall_that_no_known_start_explains_counts_in_full_once_it_lasts(scrapes):
    restarted = [400 + 10 * n for n in range(8)] + [5 + 10 * n for n in range(5)]
    own = {"job": "app", "instance": "10.0.0.9:1"}
    scrapes.write("v2", restarted, **own)
    scrapes.meta("envoy_server_uptime", [1000 + 15 * n for n in range(13)], **own)
    scrapes.look(3, 10)
    assert "fell from 470 to 5: the scrapes after it tell" in scrapes.rollout.problem
    scrapes.look(11, 12)
    assert not scrapes.rollout.problem
    assert scrapes.rollout.total.canary == (40 + 5 + 40, 0)
    assert scrapes.rollout.total.stable == (900, 0)


def test_what_another_process_showed_for_a_scrape_is_passed_over_for_the_whole_target(scrapes):
    app = {"job": "app", "instance": "10.0.0.9:1"}
    many, few = [9000 + 10 * n for n in range(13)], [20 + n for n in range(13)]
    many[8], few[8] = 5000, 2
    scrapes.write("v2", many, **app)
    scrapes.write("v2", few, code="503", **app)
    assert count(scrapes) == (90 + 9, 9)


@pytest.mark.parametrize("shows", [False, True])
def test_a_guardrail_sees_again_some_minutes_after_only_one_worker_is_left(shows):
    scrapes = Scrapes()
    scrapes.write("v1", [1000 + 100 * n for n in range(60)], **TARGET)
    workers = [(9100 if n % 2 and 8 < n < 15 else 4020) + 30 * n for n in range(60)]
    target = {"job": "app", "instance": "10.0.0.9:1"}
    scrapes.write("v2", workers, **target)
    if shows:
        ups = [(5000 if n % 2 and 8 < n < 15 else 9000) + 15 * n for n in range(60)]
        scrapes.meta("envoy_server_uptime", ups, **target)
    scrapes.look(3, 20)
    assert "several processes seem to answer at one address" in scrapes.rollout.problem
    scrapes.look(21, 59)
    assert not scrapes.rollout.problem
    assert 30 * 20 <= scrapes.rollout.total.canary_exposures <= 60 * 56
    assert scrapes.rollout.total.stable_exposures == 100 * 56


def test_the_same_targets_under_two_jobs_count_once(scrapes):
    for job in ("envoy", "other"):
        scrapes.write("v2", [10 * n for n in range(13)], job=job, instance="10.0.0.3:9901")
    assert count(scrapes) == (90, 0)
    assert "differ only in job count once" in scrapes.rollout.unbelieved[0]


def test_two_jobs_that_a_federation_renamed_count_once(scrapes):
    federated = {"job": "federate", "instance": "prom:9090"}
    for job in ("envoy", "other"):
        own = {"exported_job": job, "exported_instance": "10.0.0.3:9901"}
        scrapes.write("v2", [10 * n for n in range(13)], **federated, **own)
    assert count(scrapes) == (90, 0)
    assert "differ only in exported_job count once" in scrapes.rollout.unbelieved[0]


def test_two_jobs_that_push_from_one_host_count_both(scrapes):
    pushed = {"job": "pushgateway", "instance": "push:9091", "exported_instance": "host-3"}
    for job, each_time in (("nightly", 10), ("hourly", 20)):
        counts = [each_time * n for n in range(13)]
        scrapes.write("v2", counts, exported_job=job, **pushed)
    assert count(scrapes) == (270, 0)


def test_the_start_of_a_process_that_the_series_does_not_name_is_not_its_own(scrapes):
    """A sum behind a federation is no process, though one that is shown beside it is."""
    federated = {"job": "federate", "instance": "prom:9090"}
    counts = [10 * n + 700_000 * (n > 6) for n in range(13)]
    scrapes.write("v2", counts, **federated)
    for n in range(13):
        scrapes.server.write(
            "envoy_server_uptime",
            {**federated, "exported_instance": "10.0.0.1:1"},
            n * SCRAPE,
            1e6 + n * SCRAPE,
        )
    counted, _ = count(scrapes)
    assert counted <= 90
    assert scrapes.rollout.problem or scrapes.rollout.unbelieved


def test_one_process_under_two_ports_and_jobs_is_refused_by_name(scrapes):
    for job, port in (("envoy", "15090"), ("other", "15020")):
        scrapes.write("v2", [10 * n for n in range(13)], job=job, instance=f"10.0.0.3:{port}")
    assert count(scrapes) == (0, 0)
    assert "one process seems to be scraped twice" in scrapes.rollout.problem


TWO_WAYS = {
    "annotations and a PodMonitor": (
        {"instance": "10.0.0.2:9901", "kubernetes_pod_name": "x"},
        {"instance": "10.0.0.2:9901", "namespace": "n", "pod": "x", "container": "c"},
    ),
    "an instance that is the pod's name": (
        {"instance": "10.0.0.2:9901", "pod": "x"},
        {"instance": "x", "pod": "x"},
    ),
    "a collector beside it": (
        {"instance": "10.0.0.2:9901", "pod": "x"},
        {"instance": "otel:8889", "pod": "x"},
    ),
    "a federation that keeps its own labels": (
        {"instance": "10.0.0.2:9901"},
        {"instance": "prom:9090", "exported_job": "one", "exported_instance": "10.0.0.2:9901"},
    ),
}


def write_twice(scrapes, first, second, apart=2):
    """Write a counter as two jobs scrape it, half a scrape apart; `apart` units lie between."""
    scrapes.write("v2", [100 + 10 * n for n in range(13)], job="one", **first)
    named = {"destination_service": "summarizer", "destination_version": "v2"}
    named |= {"envoy_response_code": "200", "job": "two"} | second
    for n in range(13):
        scrapes.server.write(RATE, named, (n + 0.5) * SCRAPE, 100 + 10 * n + apart)


@pytest.mark.parametrize("way", TWO_WAYS)
@pytest.mark.parametrize("rollout", [ObservedRollout, TalliedRollout])
def test_one_process_that_two_jobs_name_differently_is_refused_by_name(way, rollout):
    lab = Scrapes(rollout)
    lab.write("v1", [1000 + 100 * n for n in range(13)], **TARGET)
    write_twice(lab, *TWO_WAYS[way])
    assert count(lab) == (0, 0)
    assert "one process seems to be scraped twice" in lab.rollout.problem
    assert "10.0.0.2" not in lab.rollout.problem


def test_two_processes_under_two_jobs_count_both(scrapes):
    write_twice(scrapes, {"instance": "10.0.0.2:9901"}, {"instance": "10.0.0.3:9901"})
    assert count(scrapes) == (180, 0)
    write_twice(scrapes, {"instance": "a:1", "pod": "x"}, {"instance": "b:1", "pod": "x"}, 5000)
    scrapes.look(13, 13)
    assert not scrapes.rollout.problem


def test_a_job_that_is_renamed_is_no_second_one(scrapes):
    own = {"instance": "10.0.0.2:9901", "pod": "x"}
    scrapes.write("v2", [100 + 10 * n for n in range(8)], job="one", **own)
    own["container"] = "c"
    scrapes.write("v2", [100 + 10 * n for n in range(8, 13)], first=8, job="two", **own)
    scrapes.look(3, 12)
    assert not scrapes.rollout.problem
    assert scrapes.rollout.total.canary == (80, 0)


def test_a_recorded_sum_that_loses_and_regains_a_pod(scrapes):
    values = [700_000 + 10 * n for n in range(13)]
    values[8] -= 300_000
    scrapes.write("v2", values)
    assert count(scrapes) == (90, 0)


def test_a_recorded_sum_that_loses_a_pod_for_good_goes_on_from_there(scrapes):
    values = [700_000 + 10 * n for n in range(16)]
    scrapes.write("v2", [value - 300_000 * (n >= 8) for n, value in enumerate(values)])
    scrapes.look(3, 8)
    assert "fell from 700,070 to 400,080" in scrapes.rollout.problem
    scrapes.look(9, 15)
    assert not scrapes.rollout.problem
    assert scrapes.rollout.total.canary == (120 - 10, 0)
    assert scrapes.rollout.total.stable == (1200, 0)


def test_a_recorded_sum_that_gains_a_pod_is_not_counted(scrapes):
    values = [700_000 + 10 * n for n in range(16)]
    scrapes.write("v2", [value + 300_000 * (n >= 8) for n, value in enumerate(values)])
    assert count(scrapes, last=15) == (120 - 10, 0)


def test_a_surge_that_lasts_counts_once_it_is_seen_to_last(scrapes):
    scrapes.write("v2", [10 * n if n < 8 else 80 + 200_000 * (n - 7) for n in range(16)], **TARGET)
    assert count(scrapes, last=15) == (40 + 10 + 200_000 * 8, 0)


def test_a_restart_that_its_start_time_shows_counts_for_every_sibling(scrapes):
    own = {"job": "app", "instance": "10.0.0.4:80"}
    scrapes.write("v2", [100 + 10 * n for n in range(8)] + [5, 15], **own)
    scrapes.write("v2", [2] * 8 + [5, 6], code="503", **own)
    uptime = [1000 + 15 * n for n in range(8)] + [7, 22]
    scrapes.meta("envoy_server_uptime", uptime, **own)
    assert count(scrapes, last=9) == (40 + 5 + 10 + 5 + 1, 6)


def test_evidence_is_asked_only_for_births_and_falls(scrapes):
    scrapes.write("v2", [10 * n for n in range(13)], **TARGET)
    scrapes.look(3, 12)
    assert len(scrapes.server.asked) == 10


_LONG_UP = [15 * n for n in range(100, 113)]
_RESTARTED = [*_LONG_UP[:7], *[15 * n for n in range(6)]]


@pytest.mark.parametrize(
    ("uptime", "counted"),
    [(_LONG_UP, 30 + 60), (_RESTARTED, 30 + 240)],
    ids=["it goes on", "it began anew"],
)
def test_a_series_after_one_that_ended_counts_where_its_process_began_anew(
    scrapes, uptime, counted
):
    """A process that goes on drops no series: it may have hidden one, and show it named anew."""
    scrapes.write("v2", [100 + 10 * n for n in range(7)], **TARGET)
    scrapes.write("v2", [180, 200, 220, 240], code="201", first=9, **TARGET)
    scrapes.meta("up", [1] * 13, **TARGET)
    scrapes.meta("envoy_server_uptime", uptime, **TARGET)
    assert count(scrapes)[0] == counted


@pytest.mark.parametrize("rollout", [ObservedRollout, TalliedRollout])
def test_a_leap_right_after_another_server_s_sample_is_believed_no_sooner(rollout):
    """A merged pair shows one server's last sample and the other's first 2.5 s apart.

    Two members that are new to a sum, one after the other, are no pace that lasts.
    """
    lab = Scrapes(rollout)
    lab.write("v1", [1000 + 100 * n for n in range(20)])
    lab.write("v2", [800 + 60 * n for n in range(8)])
    labels = {"destination_service": "summarizer", "destination_version": "v2"}
    labels |= {"envoy_response_code": "200"}
    lab.look(3, 6)
    lab.server.write(RATE, labels, 7 * SCRAPE + 12.5, 800 + 60 * 7)
    lab.rollout.look(7 * SCRAPE + 13)
    lab.write("v2", [600_000, 1_200_000, *[1_200_000 + 60 * n for n in range(1, 8)]], first=8)
    lab.look(9, 9)
    assert "from 1,220 to 600,000" in lab.rollout.problem
    lab.look(10, 16)
    assert sum(lab.rollout.total.canary) < 2_000
