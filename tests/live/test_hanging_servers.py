"""Real Prometheus servers and Envoys that stand still hold up no other rollout of the process."""

from __future__ import annotations

import signal
import sys
from contextlib import ExitStack, contextmanager
from functools import partial

import pytest
import yaml

from rollout.decide.record.facts import Decided, Observed
from rollout.decide.record.route_facts import Confirmed, RouteFailed
from rollout.demo.servers.process import Process
from rollout.explain.status import states_of
from rollout.plan.reading.files import load_file
from rollout.route.envoy.proxy import EnvoyRouter
from tests.chaos.victims import send
from tests.live.pipeline import PipelineStage, surefoot, until
from tests.live.record import Record

pytestmark = [pytest.mark.live, pytest.mark.timeout(400)]

CANARY = "v2"
HUNG = ("first", "second")  # namespaces of the rollouts whose servers stand still
SLOW = {"steps": ["10%", "50%"], "bake": "5m"}
MANY = 10**9


class Stages:
    """A rollout for each of three stages, all of them in one process."""

    def __init__(self, stages, folder):
        self.stages, self.plans = stages, {}
        self.journal = folder / "journal.db"
        for name, stage in stages.items():
            own = folder / name
            own.mkdir()
            file = stage.plan(CANARY, own, ramp=SLOW)
            document = yaml.safe_load(file.read_text())
            document["metadata"]["namespace"] = name
            file.write_text(yaml.safe_dump(document))
            self.plans[name] = file
        command = [sys.executable, "-m", "rollout.cli", "run", *map(str, self.plans.values())]
        command += ["--journal", str(self.journal)]
        self.process = Process("surefoot", command, folder / "run.log")
        self.record = Record(self.journal)

    def find(self, name):
        """A rollout's id."""
        (plan,) = load_file(self.plans[name])
        return plan.id

    def facts(self, kind, name):
        rollout = self.find(name)
        return [fact for fact in self.record.facts(kind) if fact.rollout == rollout]

    def phase(self, name):
        return states_of(self.record.entries)[self.find(name)].phase

    def weight(self, name):
        (plan,) = load_file(self.plans[name])
        return EnvoyRouter().read(plan, 100).split.canary

    @contextmanager
    def standing_still(self):
        """Meanwhile the Prometheus and the Envoy of two rollouts say nothing."""
        pids = [
            server.process.pid
            for name in HUNG
            for server in (self.stages[name].prometheus, self.stages[name].envoy)
        ]
        send(pids, signal.SIGSTOP)
        try:
            yield
        finally:
            send(pids, signal.SIGCONT)


@pytest.fixture
def staged(tmp_path):
    with ExitStack() as stack:
        stages = {}
        for name in ("well", *HUNG):
            folder = tmp_path / f"stage-{name}"
            folder.mkdir()
            stages[name] = stack.enter_context(PipelineStage(folder))
        running = Stages(stages, tmp_path)
        stack.callback(running.process.stop)
        for stage in stages.values():
            stage.traffic.flow()
            stack.callback(stage.traffic.stop)
        for name in stages:
            until(partial(running.facts, Confirmed, name), f"{name}'s first step")
        yield running


def test_servers_that_stand_still_hold_up_no_other_rollout_and_no_abort(staged):
    well = staged.stages["well"].traffic
    with staged.standing_still():
        until(lambda: all(staged.facts(RouteFailed, name) for name in HUNG), "Envoys hang")
        before = len(staged.facts(Observed, "well"))
        looks = {name: len(staged.facts(Observed, name)) for name in HUNG}
        until(lambda: len(staged.facts(Observed, "well")) >= before + 8, "eight looks")
        for name in HUNG:  # who waits for every server would look at all of them as often
            assert len(staged.facts(Observed, name)) - looks[name] < 8
        well.fail[CANARY] = MANY
        until(lambda: staged.phase("well") == "rolled back", "the rollback", 60.0)
        assert staged.weight("well") == 0
        assert {staged.phase(name) for name in HUNG}.isdisjoint({"rolled back", "promoted"})
        ended = surefoot("abort", staged.find(HUNG[0]), "--journal", staged.journal)
        assert ended.returncode == 0, ended.stderr
        until(lambda: _is_aborted(staged, HUNG[0]), "the decision on the abort", 60.0)
    until(lambda: staged.weight(HUNG[0]) == 0, "its rollback, once its Envoy goes on")
    stopped = len(staged.facts(Observed, HUNG[1]))
    until(lambda: _is_seen_again(staged, HUNG[1], stopped), "the other one is looked at again")
    staged.process.stop()


def _is_aborted(staged, name):
    return any(fact.action == "roll back" for fact in staged.facts(Decided, name))


def _is_seen_again(staged, name, count):
    return any(not fact.problems for fact in staged.facts(Observed, name)[count:])
