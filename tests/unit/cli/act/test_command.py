"""People's commands."""

import json
from contextlib import closing

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.cli.act.command import LIMIT, record_command, whoami, worded
from rollout.decide.record.facts import Action, Command, Decided, Fact, HumanSaid, Started
from rollout.decide.record.route_facts import Confirmed
from rollout.decide.record.split import Split
from rollout.errors import InputError, JournalMovedError
from rollout.journal.file_lock import hold
from rollout.journal.memory import MemoryJournal
from rollout.journal.sql.store import open_journal


def started(rollout: str = "notes-v2-1") -> Started:
    plan = {"metadata": {"name": rollout.rpartition("-")[0]}}
    return Started(rollout=rollout, at=1.0, plan=plan, digest="d", total=100, controller="0")


def ended(action: Action) -> list[Fact]:
    common = {"rollout": "notes-v2-1", "at": 2.0}
    decided = Decided(**common, action=action, split=Split(0), reasons=(), sentence="")
    return [started(), decided, Confirmed(**common, decision=2, split=Split(0))]


def word(command: Command) -> HumanSaid:
    return worded(command, actor="a", reason="", now=3.0)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "journal.db"
    with closing(open_journal(path)) as journal:
        journal.append([started()], after=0)
    return path


def call(*arguments: object):
    return CliRunner().invoke(surefoot, list(map(str, arguments)))


def read_facts(path) -> list[Fact]:
    with closing(open_journal(path)) as journal:
        return [entry.fact for entry in journal.read() if isinstance(entry.fact, HumanSaid)]


@pytest.mark.parametrize("command", ["pause", "resume", "promote", "abort"])
def test_a_command_is_recorded_with_its_actor(path, command):
    result = call(command, "notes-v2", "--journal", path, "--reason", "ticket 4711")
    assert result.exit_code == 0, result.output
    assert result.stdout == (
        f"recorded as entry 2: {command} notes-v2-1 by {whoami()}; "
        "the controller acts on it at its next tick\n"
    )
    (fact,) = read_facts(path)
    assert isinstance(fact, HumanSaid)
    assert (fact.command, fact.actor, fact.reason) == (command, whoami(), "ticket 4711")
    assert fact.at > 1.7e9


def test_free_text_is_short_and_tame(path):
    reason = "a\x1b[31m\u202e\nb " + "x" * 500
    call("pause", "notes-v2-1", "--journal", path, "--reason", reason, "--as", "eve\n\x07")
    (fact,) = read_facts(path)
    assert isinstance(fact, HumanSaid)
    assert fact.actor == "eve"
    assert fact.reason.startswith("a[31m b xx")
    assert len(fact.reason) == LIMIT


def test_json_is_the_entry(path):
    result = call("abort", "notes-v2", "--journal", path, "--json")
    line = json.loads(result.stdout)
    assert (line["seq"], line["kind"], line["command"]) == (2, "human-said", "abort")


def test_a_missing_controller_is_a_warning_only_when_missing(path):
    warning = "no controller is running"
    assert warning in call("pause", "notes-v2", "--journal", path).stderr
    with hold(path):
        assert warning not in call("resume", "notes-v2", "--journal", path).stderr


def test_an_unknown_name_lists_the_known(path):
    result = call("pause", "nots", "--journal", path)
    assert result.exit_code == 2
    assert "no rollout 'nots'; known: notes-v2" in result.stderr
    assert read_facts(path) == []


def test_no_journal_is_bad_input_and_makes_none(tmp_path):
    result = call("pause", "notes-v2", "--journal", tmp_path / "no.db")
    assert (result.exit_code, list(tmp_path.iterdir())) == (2, [])


@pytest.mark.parametrize(
    ("action", "words"), [("promote", "it was promoted"), ("roll back", "it was rolled back")]
)
def test_an_ended_rollout_takes_no_command(action, words):
    journal = MemoryJournal()
    journal.append(ended(action), after=0)
    with pytest.raises(InputError, match=words):
        record_command(journal, "notes-v2", word("pause"))


def test_a_name_means_its_latest_rollout():
    journal = MemoryJournal()
    journal.append([*ended("roll back"), started("notes-v2-2")], after=0)
    (entry,) = record_command(journal, "notes-v2", word("pause"))
    assert entry.fact.rollout == "notes-v2-2"


class Busy(MemoryJournal):
    """A journal to which a controller appends in the very moment before we do."""

    def __init__(self, facts: list[list[Fact]]) -> None:
        super().__init__()
        super().append([started()], after=0)
        self.coming = facts

    def append(self, facts, after):
        if self.coming:
            super().append(self.coming.pop(0), after=len(self.rows()))
        return super().append(facts, after)


def test_what_comes_in_between_is_read_first():
    journal = Busy([[started("other-1")], [started("other-2")]])
    (entry,) = record_command(journal, "notes-v2", word("pause"))
    assert (entry.seq, entry.fact.rollout) == (4, "notes-v2-1")


def test_an_end_that_comes_in_between_is_respected():
    journal = Busy([ended("promote")[1:]])
    with pytest.raises(InputError, match="it was promoted"):
        record_command(journal, "notes-v2", word("abort"))


def test_a_journal_that_never_stands_still_is_given_up():
    with pytest.raises(JournalMovedError, match="repeat the command"):
        record_command(Busy([[started()]] * 50), "notes-v2", word("pause"))


def test_a_user_without_a_name_has_a_number(monkeypatch):
    def nobody() -> str:
        raise KeyError

    monkeypatch.setattr("getpass.getuser", nobody)
    assert whoami().startswith("uid-")
