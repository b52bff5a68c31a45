"""`surefoot log` whose filter lets nothing pass says so, and what it could have asked for."""

from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.decide.record.facts import HumanSaid
from rollout.journal.jsonl import LinesJournal
from rollout.journal.sql.store import open_journal

RECORDED = Path(__file__).parents[4] / "notebooks" / "data" / "demo.jsonl"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """The recorded demo, and a person's command at its end."""
    path = tmp_path_factory.mktemp("log") / "journal.db"
    facts = [entry.fact for entry in LinesJournal(RECORDED).read()]
    end = facts[-1]
    command = HumanSaid(rollout=end.rollout, at=end.at, command="pause", actor="ada\x1b[2J")
    with closing(open_journal(path)) as journal:
        journal.append([*facts, command], after=0)
    return path


def call(*arguments: object):
    return CliRunner().invoke(surefoot, ["log", *map(str, arguments)])


@pytest.mark.parametrize("others", [[], ["-n", "5"], ["--json"], ["discharge-summarizer-v3"]])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--actor", "nobody"], "persons: ada[2J"),
        (["--reason", "nonsense"], "harmful:latency, nothing-harmful"),
        (["--action", "undo"], "actions: advance, hold"),
        (["--since", "2030-01-01"], "to 2026-11-21T19:10:37Z"),
        (["--actor", "ada", "--reason", "harmful"], "persons give commands, decisions have"),
    ],
)
def test_that_nothing_passes_is_told_with_what_could(path, arguments, words, others):
    result = call("--journal", path, *arguments, *others)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith("surefoot: none of ")
    assert words in result.stderr


def test_what_passes_is_all_that_is_told(path):
    assert call("--journal", path, "--action", "promote").stderr == ""


def test_an_empty_journal_says_so(tmp_path):
    with closing(open_journal(tmp_path / "empty.db")):
        pass
    result = call("--journal", tmp_path / "empty.db")
    assert (result.stdout, result.stderr) == ("", "surefoot: there is no entry yet\n")
