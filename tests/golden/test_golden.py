"""Journals of every schema there has been are read, verified and decided again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.decide.record.facts import Decided
from rollout.explain.status import report, states_of
from rollout.journal.jsonl import LinesJournal
from tests.golden.record import main

FOLDER = Path(__file__).parent
GOLDEN = sorted(FOLDER.glob("*.jsonl"))
# Rules have changed since: what they decided is whole, and would be decided otherwise today.
OTHERWISE = {"01-samples", "02-route-read"}


def call(*arguments: object):
    return CliRunner().invoke(surefoot, [*map(str, arguments)])


def shape(path: Path) -> set[tuple[str, ...]]:
    """Return which keys each kind of fact has, with those of a decision's numbers."""
    keys: set[tuple[str, ...]] = set()
    for line in path.read_text().splitlines():
        fact = json.loads(line)["fact"]
        keys |= {(fact["kind"], key) for key in fact}
        keys |= {(fact["kind"], "numbers", key) for key in fact.get("numbers", ())}
    return keys


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_an_old_journal_is_whole_and_its_decisions_are_decided_again(path):
    done = call("verify", "--journal", path)
    assert done.exit_code == (9 if path.stem in OTHERWISE else 0), done.output
    assert f"{len(path.read_text().splitlines())} entries are whole" in done.stdout
    is_told = "comes out otherwise" in done.stdout and "Surefoot test recorded it" in done.stdout
    assert is_told == (path.stem in OTHERWISE)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_an_old_rollout_ends_as_it_was_recorded(path):
    entries = LinesJournal(path).read()
    ((rollout, state),) = states_of(entries).items()
    assert report(rollout, state, entries[-1].fact.at).phase == "rolled back"
    decided = [e.seq for e in entries if isinstance(e.fact, Decided)]
    for number in decided:
        done = call("why", number, "--journal", path)
        assert done.exit_code in ({0, 9} if path.stem in OTHERWISE else {0}), done.output


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_broken_chain_is_another_exit_code_than_other_rules(path, tmp_path):
    altered = tmp_path / path.name
    shutil.copyfile(path, altered)
    altered.write_text(altered.read_text().replace('"action":"roll back"', '"action":"promote"', 1))
    done = call("verify", "--journal", altered)
    assert (done.exit_code, "was altered" in done.stderr) == (1, True)


def test_the_newest_is_what_this_version_writes(tmp_path):
    """A fact that gets a field leaves a golden journal behind: see `tests.golden.record`."""
    main(tmp_path / "now.jsonl")
    assert shape(tmp_path / "now.jsonl") == shape(GOLDEN[-1])
