"""Who asks for a rollout's newest state reads no further back than where it began."""

import json
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.decide.record.facts import Started
from rollout.journal import backwards
from rollout.journal.jsonl import LinesJournal
from rollout.journal.sql.store import open_journal

RECORDED = Path(__file__).parents[4] / "notebooks/data/demo.jsonl"
OLDER, NEWER = "discharge-summarizer-v2", "discharge-summarizer-v3"
ASKED = {"verdict": 4, "wait": 4, "pause": 2}  # a rollback; an ended rollout takes no command


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A journal of two rollouts, of which an entry of the first was altered."""
    monkeypatch.setattr(backwards, "AT_ONCE", 5)
    where, facts = tmp_path / "journal.db", [entry.fact for entry in LinesJournal(RECORDED).read()]
    begun = [at for at, fact in enumerate(facts) if isinstance(fact, Started)]
    with closing(open_journal(where)) as journal:
        journal.append(facts, 0)
        with journal.database.writing() as connection:
            connection.exec_driver_sql("DROP TRIGGER entries_no_UPDATE")
            statement = "UPDATE entries SET text = text || ' ' WHERE seq = ?"
            connection.exec_driver_sql(statement, (begun[1] // 2,))
    return where


def call(command, name, path):
    words = [command, name, "--journal", str(path)]
    if command == "wait":
        words += ["--for", "promoted", "--timeout", "1s"]
    return CliRunner().invoke(surefoot, words)


@pytest.mark.parametrize(("command", "code"), ASKED.items())
def test_what_is_older_stops_nobody_and_is_not_read(path, command, code):
    done = call(command, NEWER, path)
    assert done.exit_code == code, done.output
    assert "altered" not in done.output


@pytest.mark.parametrize("command", ASKED)
def test_what_is_read_is_verified(path, command):
    done = call(command, OLDER, path)
    assert (done.exit_code, "was altered" in done.output) == (1, True)


@pytest.mark.parametrize("command", ["status", "undo", "retry"])
def test_what_hangs_on_all_rollouts_reads_all(path, command):
    done = call(command, NEWER, path)
    assert (done.exit_code, "was altered" in done.output) == (1, True)


def test_the_answer_is_that_of_the_whole_journal(tmp_path):
    whole = CliRunner().invoke(surefoot, ["status", NEWER, "--json", "--journal", str(RECORDED)])
    newest = CliRunner().invoke(surefoot, ["verdict", NEWER, "--json", "--journal", str(RECORDED)])
    report, answer = json.loads(whole.output)[0], json.loads(newest.output)
    verdicts = {line["name"]: line["verdict"] for line in report["guardrails"]}
    assert (answer["guardrails"], answer["phase"]) == (verdicts, report["phase"])
