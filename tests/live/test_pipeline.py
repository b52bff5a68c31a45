"""`surefoot run` on a real Envoy, a real Prometheus and real traffic, while things go wrong."""

import json
import re
import signal
import time
from contextlib import contextmanager
from os import kill

import pytest

from analysis.counting.counts import Counts
from rollout.decide.fold import fold_all
from rollout.decide.record.facts import Decided, HumanSaid, Started
from rollout.decide.record.route_facts import Confirmed, Followed, RouteFailed
from rollout.decide.record.split import Split
from tests.live.pipeline import DEAD, STABLE, ControllerProcess, PipelineStage, surefoot, until
from tests.live.record import Record

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]
# Time for a fault in the first step, and for a comparison of counts in the second, long before
# anything could be promoted.
SLOW = {"steps": ["10%", "40%", "50%"], "bake": "5s"}
FOLLOWED = {"drain": "1s", "followWithin": "30s"}


@pytest.fixture(scope="module")
def theatre(tmp_path_factory):
    with PipelineStage(tmp_path_factory.mktemp("stage")) as stage:
        yield stage


@pytest.fixture
def stage(theatre):
    theatre.reset()
    return theatre


@contextmanager
def begun(stage, folder, canary, **spec):
    """A controller whose first look was taken before any traffic, and then traffic."""
    stage.traffic.stop()
    with ControllerProcess(stage.plan(canary, folder, **spec)) as run:
        record = Record(run.journal)
        until(lambda: record.has_scrape_after(0), "a first look")
        stage.traffic.flow()
        yield run, record
    stage.traffic.stop()


def stepped(record, canary):
    until(lambda: record.confirmed(canary), f"{canary} % confirmed by the mesh")


def exact(stage, run, record, before):
    """Stop the traffic and compare, once it is observed, the journal's counts with Envoy's own."""
    stage.traffic.stop()
    stopped = time.time()
    until(lambda: record.has_scrape_after(stopped + 0.5), "a scrape after the last request")
    counts = stage.requests() - before
    assert record.evidence() == Counts(
        arm(counts, run.plan.spec.canary.version), arm(counts, STABLE)
    )
    return counts


def arm(counts, version):
    """One version's (requests, failed requests)."""
    own = {status: count for (of, status), count in counts.items() if of == version}
    return sum(own.values()), sum(n for status, n in own.items() if status >= 500)


def heard(stage):
    """What Envoy should have counted: every answer of a version."""
    return {key: n for key, n in stage.traffic.answers.items() if key[0] != "none"}


def test_a_good_canary_is_promoted_and_every_request_is_counted_once(stage, tmp_path):
    """Also when Prometheus stalls, and when errors are born with their first burst."""
    before = stage.requests()
    with begun(stage, tmp_path, "v2", ramp=SLOW, **FOLLOWED) as (run, record):
        stepped(record, 10)
        kill(stage.prometheus.process.pid, signal.SIGSTOP)
        try:
            time.sleep(3)  # scrapes are missed, a look gets no answer
        finally:
            kill(stage.prometheus.process.pid, signal.SIGCONT)
        stepped(record, 40)
        stage.traffic.fail.update({"v2": 7, STABLE: 3})
        until(lambda: not any(stage.traffic.fail.values()), "a burst of errors")
        counts = exact(stage, run, record, before)
        assert (counts["v2", 503], counts[STABLE, 503]) == (7, 3)
        assert counts == heard(stage) == stage.traffic.served
        stage.traffic.flow()
        assert run.ended() == 0
        assert run.mesh.split == Split(100, 100)
    assert record.actions == ["advance", "advance", "advance", "promote"]
    assert record.replays()
    assert is_seen(record)


def is_seen(record):
    """Whether the last write was taken by Envoy, and then seen in the counts, which ended it."""
    (written,) = [fact for fact in record.facts(Confirmed) if fact.follows]
    (followed,) = record.facts(Followed)
    before = next(entry.seq for entry in record.entries if entry.fact == written)
    following = fold_all((e.seq, e.fact) for e in record.entries if e.seq <= before)
    assert (following.phase, following.written_as) == ("following", "taken")
    assert followed.decision == written.decision
    return followed.outcome == record.state.written_as == "seen"


def test_while_prometheus_is_dead_weights_stay_and_nothing_is_lost(stage, tmp_path):
    before = stage.requests()
    with begun(stage, tmp_path, "v3", ramp=SLOW) as (run, record):
        stepped(record, 10)
        until(lambda: record.evidence().canary_exposures, "the canary's first request")
        killed = time.time()
        stage.prometheus.process.kill()
        until(lambda: blind(record), "blindness")
        log = surefoot("log", "--journal", run.journal).stdout
        assert re.search(
            r"blind on errors and latency for \d+m?s: "
            r"Prometheus does not answer at 127\.0\.0\.1:\d+: connection refused",
            log,
        )
        held, weight = record.actions, run.weight
        until(lambda: time.time() > killed + 6, "some time in the dark")
        (status,) = json_of("status", "--json", "--journal", run.journal)
        (line,) = [guardrail for guardrail in status["guardrails"] if guardrail["name"] == "errors"]
        assert line["verdict"] == "blind"
        assert (record.actions, run.weight) == (held, weight)
        stage.start_prometheus()
        stepped(record, 40)
        exact(stage, run, record, before)
        stage.traffic.flow()
        stepped(record, 50)
        run.process.stop()  # SIGTERM, in mid-rollout
        assert run.ended() == 1
        assert run.weight == 50
    assert record.replays()


def json_of(*arguments):
    done = surefoot(*arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def blind(record):
    last = record.facts(Decided)[-1]
    return last.action == "hold" and last.reasons == ("blind:errors", "blind:latency")


def test_a_killed_controller_leaves_the_weights_and_its_successor_goes_on(stage, tmp_path):
    before = stage.requests()
    with begun(stage, tmp_path, "v4", ramp=SLOW) as (run, record):
        stepped(record, 10)
        until(lambda: record.evidence().canary_exposures, "the canary's first request")
        run.process.kill()
        mesh, dead = run.mesh, len(record.entries)
        assert mesh.split.canary in {10, 40}
        asked = stage.traffic.answers["v4", 200]
        until(lambda: stage.traffic.answers["v4", 200] > asked + 50, "traffic without a controller")
        assert (run.mesh, len(record.entries)) == (mesh, dead)
        with run.again() as successor:
            stepped(record, 40)
            exact(stage, run, record, before)
            stage.traffic.flow()
            assert successor.ended() == 0
        assert run.mesh.split == Split(100, 100)
    assert {status for _, status in stage.traffic.answers} == {200}
    assert len(record.facts(Started)) == 1
    assert record.actions == ["advance", "advance", "advance", "promote"]
    assert record.replays()


def test_while_envoy_is_dead_the_log_says_so_and_the_rollout_goes_on_after(stage, tmp_path):
    with begun(stage, tmp_path, "v5") as (run, record):
        stepped(record, 10)
        mark = run.mesh.write_id
        stage.envoy.process.kill()
        until(lambda: record.facts(RouteFailed), "a failed attempt")
        time.sleep(8)  # a few more, of which only a new reason is an entry
        problem = record.facts(RouteFailed)[-1].problem
        assert "does not answer: connection refused" in problem
        (status,) = json_of("status", "--json", "--journal", run.journal)
        assert status["route_problem"] == problem
        assert "connection refused" in surefoot("status", "--journal", run.journal).stdout
        stage.start_envoy()
        assert run.weight == 10, "the last weights are on disk"
        assert run.mesh.write_id == mark
        stepped(record, 50)
        assert run.weight == 50
        problems = [re.sub(r"\d+", "0", fact.problem) for fact in record.facts(RouteFailed)]
        assert len(problems) == len(set(problems))
    assert record.actions[:2] == ["advance", "advance"]
    assert record.replays()


def test_a_cluster_that_envoy_does_not_know_is_refused_by_name(stage, tmp_path):
    clusters = {"stable": f"summarizer-{STABLE}", "canary": "nowhere"}
    route = {"file": str(stage.envoy.file), "admin": stage.envoy.admin, "clusters": clusters}
    with begun(stage, tmp_path, "v6", route={"envoy": route}) as (run, record):
        mark = run.mesh.write_id
        until(lambda: record.facts(RouteFailed), "a failed attempt")
        assert record.facts(RouteFailed)[-1].problem == (
            "nothing was written: Envoy has no cluster nowhere"
        )
        assert (run.weight, run.mesh.write_id) == (0, mark)
        done = surefoot("abort", run.plan.name, "--journal", run.journal)
        assert done.returncode == 0, done.stderr
        assert run.ended() == 1
        assert run.weight == 0
    assert record.actions == ["advance", "roll back"]
    assert set(stage.traffic.answers) == {(STABLE, 200)}


def test_a_canary_that_refuses_connections_is_rolled_back_in_its_warm_up(stage, tmp_path):
    with begun(stage, tmp_path, DEAD, warmup="60s", **FOLLOWED) as (run, record):
        assert run.ended() == 1
        assert stage.traffic.first_failure is not None
        assert record.facts(Confirmed)[-1].at - stage.traffic.first_failure < 30
        assert run.weight == 0
        failures = stage.traffic.answers["none", 503]
        assert stage.requests()[DEAD, 503] == failures > 0
        answered = stage.traffic.answers[STABLE, 200]
        until(lambda: stage.traffic.answers[STABLE, 200] > answered + 50, "traffic on stable")
        assert stage.traffic.answers["none", 503] == failures
    assert record.actions == ["advance", "roll back"]
    assert record.facts(Decided)[-1].reasons == ("harmful:crash",)
    assert record.state.phase == "rolled back"
    assert record.replays()
    assert is_seen(record)


def test_people_command_a_running_controller_and_a_second_one_is_refused(stage, tmp_path):
    long = {
        "steps": ["10%", "50%", "60%", "70%", "80%"],
        "bake": "3s",
    }  # `abort` comes before its end
    with begun(stage, tmp_path, "v7", ramp=long) as (run, record):
        name, journal = run.plan.name, ("--journal", run.journal)
        stepped(record, 10)
        with ControllerProcess(run.file, log="second.log") as second:
            assert second.ended() == 1
            holder = run.process.pid
            log = second.process.log.read_text()
            assert f"another controller (pid {holder}) uses this journal" in log
            assert "Traceback" not in log
        assert surefoot("pause", name, *journal, "--reason", "lunch").returncode == 0
        until(lambda: record.state.phase == "paused", "a pause")
        paused_at = run.weight
        assert "lunch" in " ".join(fact.sentence for fact in record.facts(Decided))
        looks = len(record.entries)
        until(lambda: len(record.entries) > looks + 2, "looks in the pause")
        assert (record.state.phase, run.weight) == ("paused", paused_at)
        assert surefoot("resume", name, *journal).returncode == 0
        until(lambda: "resume" in record.actions, "a resumption")
        stepped(record, 50)
        assert surefoot("abort", name, *journal).returncode == 0
        assert run.ended() == 1
        assert run.weight == 0
        assert surefoot("abort", name, *journal).returncode == 2
    assert [fact.command for fact in record.facts(HumanSaid)] == ["pause", "resume", "abort"]
    assert record.actions[-1] == "roll back"
    assert record.facts(Decided)[-1].reasons == ("human:abort",)
    assert record.replays()
