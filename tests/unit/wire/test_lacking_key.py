"""A key that cannot be used ends no rollout: what is open is carried out, and nothing begun."""

import pytest

from rollout.decide.record.facts import HumanSaid
from rollout.errors import InputError
from rollout.tick.agenda import Agenda
from rollout.wire.controller import open_controller
from tests.support.worlds import plan


@pytest.fixture
def journal(tmp_path):
    with open_controller(tmp_path / "journal.db") as controller:
        controller.start([plan()])
    return tmp_path / "journal.db"


@pytest.mark.parametrize("wrong", ["short", "open to others", "a folder", "a link"])
def test_what_is_open_is_carried_out_and_no_plan_taken_up(journal, wrong):
    key = journal.with_name("journal.db.key")
    if wrong == "short":
        key.write_text("short", encoding="utf-8")
    elif wrong == "open to others":
        key.chmod(0o644)
    else:
        key.unlink()
        key.mkdir() if wrong == "a folder" else key.symlink_to("/proc/kmsg")
    problems: list[str] = []
    with open_controller(journal, on_problem=problems.append) as controller:
        (rollout,) = controller.start([plan()])
        controller.note(HumanSaid(rollout=rollout, at=1.0, command="abort", actor="me"))
        controller.tick()
        assert controller.states[rollout].phase == "rolled back"
        with pytest.raises(InputError, match="key"):
            controller.start([plan("another", service="another")])
    assert "no plan is taken up" in problems[0]


def test_where_nothing_is_open_it_is_refused(tmp_path):
    key = tmp_path / "journal.db.key"
    key.write_text("short", encoding="utf-8")
    key.chmod(0o600)
    with pytest.raises(InputError, match="shorter"), open_controller(tmp_path / "journal.db"):
        pass


def test_a_new_plan_beside_what_is_open_is_refused_and_what_is_open_is_carried_out(journal):
    journal.with_name("journal.db.key").chmod(0o644)
    refusals: list[str] = []
    with open_controller(journal) as controller:
        agenda = Agenda(controller, on_refusal=refusals.append)
        agenda.begin([plan("another", service="another")])
        assert agenda.rollouts == [plan().id]
        assert agenda.is_refused
        assert "the key" in refusals[0]
