"""`surefoot run` after a crash: what the journal has open comes first, whatever its plan is now."""

from __future__ import annotations

import errno
import os

import pytest
import yaml
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.decide.record.facts import HumanSaid
from rollout.decide.record.split import Split
from rollout.errors import InputError
from rollout.journal.open import open_for_reading
from rollout.journal.sql.store import open_journal
from rollout.simulate import MemoryRouter, SimulatedService, VirtualClock
from rollout.tick.agenda import Agenda
from rollout.wire import clock as wire_clock
from rollout.wire import meshes
from rollout.wire.controller import record
from tests.support.worlds import BAD, GOOD, Behaviour, Lab, plan

DEAD = Behaviour(errors=0.9)


class HurriedClock(VirtualClock):
    """Time that passes whenever somebody asks for it."""

    def now(self) -> float:
        self.sleep(2)
        return super().now()


@pytest.fixture
def crashed(tmp_path, monkeypatch):
    """A rollout at 5 % whose controller was killed, and the command `run` in the same world."""
    lab = Lab(journal=open_journal(tmp_path / "journal.db"), clock=HurriedClock())
    lab.run_until(lambda state: state.split.canary == 5 and state.steady_at is not None, 100)
    monkeypatch.setattr("rollout.observe.prometheus.PrometheusObserver", lambda *_, **__: lab.world)
    monkeypatch.setattr(meshes, "router", lambda *_: lab.router)
    monkeypatch.setattr(wire_clock, "SystemClock", lambda: lab.clock)
    return lab


def run(folder, *plans):
    """Run these plans from files; a text stays as it is, and None is a file that is gone."""
    files = []
    for number, content in enumerate(plans):
        files.append(folder / f"plan{number}.yaml")
        if content is not None:
            text = content if isinstance(content, str) else yaml.safe_dump(content.document())
            files[-1].write_text(text)
    journal = ["--journal", str(folder / "journal.db")]
    return CliRunner().invoke(surefoot, ["run", *map(str, files), *journal])


def edited(lab):
    document = lab.plan.document()
    document["spec"]["ramp"]["bake"] = "9s"
    return type(lab.plan).model_validate(document)


@pytest.mark.parametrize("content", [None, "", "kind: RolloutPlan\n", "\x00"])
def test_a_failing_canary_is_rolled_back_although_its_plan_is_gone(crashed, tmp_path, content):
    crashed.world.behaviours = {"v1": GOOD, "v2": DEAD}
    done = run(tmp_path, content)
    assert done.exit_code == 2, done.output
    assert f"{crashed.plan.id}: rolled back" in done.output
    assert crashed.router.read(crashed.plan, 100).split == Split(0)


@pytest.mark.parametrize("kind", ["folder", "unreadable", "pipe", "loop"])
def test_nor_does_it_wait_for_a_plan_that_is_no_file_or_may_not_be_read(
    crashed, tmp_path, monkeypatch, kind
):
    crashed.world.behaviours = {"v1": GOOD, "v2": DEAD}
    path = tmp_path / "plan0.yaml"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to(path)
    else:
        path.write_text("")
        monkeypatch.setattr(os, "access", lambda *_, **__: False)  # root may read all
        monkeypatch.setattr("rollout.plan.reading.files.read_input", refuse)
    done = run(tmp_path, None)
    assert done.exit_code == 2, done.output
    assert f"{crashed.plan.id}: rolled back" in done.output


def refuse(*_):
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def test_an_abort_is_carried_out_and_then_the_edited_plan_begins(crashed, tmp_path):
    abort = HumanSaid(rollout=crashed.plan.id, at=crashed.clock.now(), command="abort", actor="me")
    record(tmp_path / "journal.db", abort)
    new = edited(crashed)
    done = run(tmp_path, new)
    assert done.exit_code == 0, done.output
    assert f"{new.id} begins once {crashed.plan.id}, which is open, has ended" in done.output
    kinds = [
        (entry.fact.rollout, entry.fact.kind)
        for entry in open_for_reading(tmp_path / "journal.db").read()
    ]
    assert kinds.index((new.id, "started")) > kinds.index((crashed.plan.id, "confirmed"))
    assert f"{new.id}: promoted" in done.output


def test_what_does_not_fit_what_was_open_is_told_and_is_bad_input(crashed, tmp_path):
    done = run(tmp_path, edited(crashed))
    assert done.exit_code == 2, done.output
    assert "stable-mismatch" in done.output, "the open one was promoted meanwhile"


def test_a_file_that_is_gone_is_bad_input_where_nothing_is_open(tmp_path):
    done = run(tmp_path, None)
    assert done.exit_code == 2
    assert "No such file" in done.output
    assert not (tmp_path / "journal.db").exists()


def test_two_plans_of_one_service_start_nothing(tmp_path):
    done = run(tmp_path, plan("a"), plan("b"))
    assert done.exit_code == 2
    assert "nothing was started" in done.output
    assert open_for_reading(tmp_path / "journal.db").read() == []


def test_a_plan_that_is_named_twice_is_one_rollout(crashed, tmp_path):
    done = run(tmp_path, crashed.plan, crashed.plan)
    assert done.exit_code == 0, done.output
    assert "; 1 rollout; " in done.output
    assert done.output.count(f"{crashed.plan.id}: promoted") == 1


def test_a_plan_that_cannot_begin_lets_none_of_the_others_begin():
    lab = Lab(plan=plan("first", service="one"))
    lab.run()
    later = plan("later", service="one", stable={"version": "v0"})
    count = len(lab.entries)
    with pytest.raises(InputError, match="stable-mismatch"):
        lab.controller.start([plan("other", service="two"), later])
    assert len(lab.entries) == count


def test_plans_of_services_that_are_free_begin_at_once():
    router = MemoryRouter()
    world = SimulatedService(router, {"v1": GOOD, "v2": BAD})
    lab = Lab(plan=plan("open", service="one"), router=router)
    lab.world = world
    agenda = Agenda(lab.controller)
    new, free = plan("new", service="one"), plan("free", service="two")
    agenda.begin([new, free])
    assert agenda.rollouts == [free.id]
    assert agenda.waiting == [new]
    assert agenda.is_open
