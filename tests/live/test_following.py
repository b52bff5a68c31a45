"""An end that waits for its traffic, as `operate` shows it, with a real Envoy and Prometheus."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from rollout.plan.model.plan import Plan
from rollout.plan.reading.files import load_file
from tests.live.operating import Operating
from tests.live.pipeline import PipelineStage, until

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]

NOWHERE = "http://127.0.0.1:1/"


@dataclass(frozen=True)
class Net:
    """What `Operating` is given: the plan that it applies."""

    plan: Plan


@pytest.fixture(scope="module")
def theatre(tmp_path_factory):
    with PipelineStage(tmp_path_factory.mktemp("stage")) as stage:
        yield stage


def hook(name, when, **more):
    return {"name": name, "when": when, "url": NOWHERE, "attempts": 1, **more}


@pytest.fixture
def begin(theatre, cluster, namespace, tmp_path):
    """Begin a rollout with these parts of its plan, and wait until it stands at 50 %."""
    theatre.reset()
    theatre.traffic.flow()
    started = []

    def at_half(canary, **spec):
        spec = {"ramp": {"steps": ["50%"], "bake": "2m"}, "drain": "1s", **spec}
        (plan,) = load_file(theatre.plan(canary, tmp_path, **spec))
        operating = Operating(cluster, namespace, Net(plan), tmp_path)
        started.append(operating)
        prometheus = {"url": theatre.prometheus.url, "scrape": "1s"}
        cluster.apply(operating.plan(prometheus=prometheus, **spec))
        until(lambda: operating.status().get("weight") == "50%", "50 %", 60)
        # The counts of both versions are what tells whether traffic follows.
        before = theatre.requests()[canary, 200]
        until(lambda: theatre.requests()[canary, 200] > before + 100, "the canary's requests")
        return operating

    yield at_half
    theatre.traffic.stop()
    for operating in started:
        operating.process.stop()


def called(operating):
    return [fact.hook for fact in operating.facts("hook-called")]


def test_an_end_is_written_then_taken_then_seen_and_then_its_hooks_are_called(begin):
    hooks = [hook("tell", "promoted"), hook("alarm", "notFollowed")]
    operating = begin("v2", followWithin="1m", hooks=hooks)
    operating.say("promote")
    until(lambda: operating.status().get("phase") == "following", "the object shows it", 20)
    holds, reason, message = operating.condition("TrafficFollows")
    assert (holds, reason) == ("Unknown", "Taken"), "Envoy's own dump is what was read"
    assert "are counted" in message
    assert "stable" not in operating.status()
    assert called(operating) == []
    until(lambda: operating.status().get("phase") == "promoted", "the end", 40)
    assert operating.condition("TrafficFollows")[:2] == ("True", "Seen")
    assert operating.status()["stable"] == "v2"
    until(lambda: called(operating), "its hook")
    (confirmed,) = [fact for fact in operating.facts("confirmed") if fact.follows]
    (followed,) = operating.facts("followed")
    assert (confirmed.stable, followed.stable, followed.outcome) == (None, "v2", "seen")
    assert called(operating) == ["tell"]


def test_a_deletion_without_traffic_ends_unseen_and_calls_only_the_hooks_that_ask_for_it(
    begin, theatre
):
    hooks = [hook("scale-down", "rolledBack"), hook("tell", "rolledBack", whenNotSeen="call")]
    operating = begin("v3", followWithin="4s", hooks=hooks)
    theatre.traffic.stop()
    done = operating.cluster.kubectl("delete", "plan/demo", "-n", operating.namespace)
    assert done.returncode == 0, done.stderr
    until(lambda: operating.facts("followed"), "its end", 40)
    until(lambda: called(operating), "its hook")
    (followed,) = operating.facts("followed")
    assert (followed.outcome, followed.stable) == ("not seen", "v1")
    assert called(operating) == ["tell"]
    (word,) = operating.facts("human-said")
    assert (word.command, word.actor) == ("abort", "kubernetes")
