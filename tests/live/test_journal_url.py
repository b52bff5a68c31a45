"""Every command on a journal that is a URL, and controllers that take turns on it."""

import json
from contextlib import ExitStack, closing
from itertools import groupby

import numpy as np
import pytest
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.decide.record.facts import Decided, HumanSaid
from rollout.errors import JournalBusyError
from rollout.journal.sql import postgres
from rollout.journal.sql.store import SqlJournal, open_journal
from rollout.ports import Ports
from rollout.simulate import MemoryRouter, SimulatedService, VirtualClock
from rollout.tick.controller import Controller
from rollout.wire import clock as clocks
from rollout.wire import meshes
from rollout.wire.controller import record
from tests.live.record import Record
from tests.support.worlds import BAD, GOOD, Lab, plan

pytestmark = pytest.mark.live


class Hurry(VirtualClock):
    """Time that passes whenever somebody asks for it."""

    def now(self) -> float:
        self.sleep(2.0)
        return super().now()


@pytest.fixture
def url(server):
    return server.new()


def call(url, *arguments: object):
    return CliRunner().invoke(surefoot, [*map(str, arguments), "--journal", url])


def test_a_rollout_is_run_told_and_explained(url, tmp_path, monkeypatch):
    router, file = MemoryRouter(), tmp_path / "plan.yaml"
    world = SimulatedService(router, {"v1": GOOD, "v2": BAD}, seed=1)
    clock = Hurry()
    monkeypatch.setattr("rollout.observe.prometheus.PrometheusObserver", lambda *_, **__: world)
    monkeypatch.setattr(meshes, "router", lambda *_: router)
    monkeypatch.setattr(clocks, "SystemClock", lambda: clock)
    file.write_text(json.dumps(plan().document()))
    secret = url.replace("postgres@", "postgres:very-secret@")  # which nobody here asks for
    run = call(secret, "run", file)
    assert run.exit_code == 1, run.output
    assert "rolled back" in run.output
    assert "journal postgresql+psycopg://postgres:***@127.0.0.1" in run.output
    assert "very-secret" not in run.output
    statuses = json.loads(call(url, "status", "--json").stdout)
    assert [status["phase"] for status in statuses] == ["rolled back"]
    lines = [json.loads(line) for line in call(url, "log", "--json").stdout.splitlines()]
    (rollback,) = [line["seq"] for line in lines if line.get("action") == "roll back"]
    assert call(url, "why", rollback).exit_code == 0
    assert "rolled back" in call(url, "watch", "--once").output
    assert "has ended" in call(url, "pause", "demo").stderr
    assert call(url, "log", "--export", tmp_path / "all.jsonl").exit_code == 0
    assert call(tmp_path / "all.jsonl", "why", rollback).exit_code == 0


def test_a_person_is_heard_where_a_controller_decides(url):
    with closing(open_journal(url)) as journal:
        lab = Lab(journal=journal)
        lab.controller.tick()
        assert "no controller is running" in call(url, "pause", "demo").stderr
        with journal.lock():
            heard = call(url, "abort", "demo", "--reason", "ticket 4711")
            assert (heard.exit_code, heard.stderr) == (0, "")
            lab.run(30)
    assert lab.state.phase == "rolled back"


def test_a_fact_is_recorded_where_there_was_no_journal_yet(url):
    command_fact = HumanSaid(rollout="r-1", at=1.0, command="pause", actor="ops@host")
    assert record(url, command_fact).seq == 1
    assert [entry.fact for entry in Record(url).entries] == [command_fact]


def test_a_simulated_rollout_comes_out_as_it_does_in_memory(url):
    usual = Lab(canary=BAD)
    usual.run()
    with closing(open_journal(url)) as journal, journal.lock():
        Lab(canary=BAD, journal=journal).run()
    assert [entry.hash for entry in Record(url).entries] == [entry.hash for entry in usual.entries]


def test_a_controller_that_stands_still_loses_the_journal(url, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(postgres._SERVER, "idle_session_timeout", "300ms")
        frozen = SqlJournal(url)
    successor = SqlJournal(url)
    with closing(frozen), closing(successor), frozen.lock():
        clock = clocks.SystemClock()
        end = clock.now() + 120
        while frozen.holder() is not None:
            assert clock.now() < end, "the lock was not freed"
            clock.sleep(0.05)
        with successor.lock(), pytest.raises(JournalBusyError, match="took over this journal"):
            frozen.append([], after=0)


@pytest.mark.parametrize("canary", [GOOD, BAD])
def test_two_controllers_cut_off_at_random_leave_one_history(server, url, canary):
    """Both tick, in any order; whoever holds the journal decides, the other one is refused."""
    dice = np.random.default_rng(3)
    usual = Lab(canary=canary)
    usual.run()
    shared = Lab(canary=canary)  # for its world, mesh and clock
    with ExitStack() as stack:
        both = [CompetingController(stack, url, shared) for _ in range(2)]
        while not any(controller.done for controller in both):
            for number in dice.permutation(2):
                if dice.random() < 0.1:
                    server.cut_off(url)
                if dice.random() < 0.8:  # else it stands still for a moment
                    both[number].tick()
            shared.clock.sleep(0.5)
    assert min(controller.ticks for controller in both) >= 5
    assert min(controller.refusals for controller in both) >= 5
    record = Record(url)
    assert record.replays()
    assert record.state.phase == usual.state.phase
    moves = [fact.split for fact in record.facts(Decided) if fact.action != "hold"]
    written = [split for _, split, _ in shared.router.writes]
    assert [split for split, _ in groupby(written)] == moves


class CompetingController:
    """A controller that takes the journal whenever it may."""

    def __init__(self, stack: ExitStack, url: str, shared: Lab) -> None:
        self.stack, self.plan, self.ticks, self.refusals = stack, shared.plan, 0, 0
        self.journal = stack.enter_context(closing(SqlJournal(url)))
        ports = Ports(shared.world, shared.router, self.journal, shared.clock)
        self.controller, self.begun = Controller(ports, "test"), False

    @property
    def done(self) -> bool:
        state = self.controller.states.get(self.plan.id)
        return state is not None and state.is_terminal

    def tick(self) -> None:
        try:
            if not self.begun:
                self.stack.enter_context(self.journal.lock())
                self.controller.start([self.plan])
                self.begun = True
            self.controller.tick()
            self.ticks += 1
        except JournalBusyError:
            self.refusals += 1
