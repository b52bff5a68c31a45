"""Journals of every schema there has been are read, verified and decided again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.decide.record.facts import Decided, Learned, Observed
from rollout.explain.status import report, states_of
from rollout.journal.jsonl import LinesJournal
from tests.golden.record import NEWEST, main

FOLDER = Path(__file__).parent
GOLDEN = sorted(FOLDER.glob("*.jsonl"))
# Rules have changed since: what they decided is whole, and would be decided otherwise today.
OTHERWISE = {"01-samples", "02-route-read"}

ENDS = {"12-observe": "observed", "14-sums": "following"}


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
    end = ENDS.get(path.stem, "rolled back")
    assert report(rollout, state, entries[-1].fact.at).phase == end
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


@pytest.mark.parametrize("scene", NEWEST)
def test_the_newest_is_what_this_version_writes(scene, tmp_path):
    """A fact that gets a field leaves a golden journal behind: see `tests.golden.record`."""
    main(tmp_path / "now.jsonl", scene)
    assert shape(tmp_path / "now.jsonl") == shape(FOLDER / f"{NEWEST[scene]}.jsonl")


def facts(scene):
    """The facts of a scene's newest journal."""
    return [entry.fact for entry in LinesJournal(FOLDER / f"{NEWEST[scene]}.jsonl").read()]


def test_one_has_dispersions_that_were_measured():
    (learned,) = (fact for fact in facts("past") if isinstance(fact, Learned))
    (dispersion,) = learned.dispersions.values()
    assert (dispersion.by, dispersion.problem) == ("totals", "")
    assert learned.problems == {}


@pytest.mark.parametrize("scene", ["observe", "abort-only"])
def test_those_of_less_authority_say_what_full_would_do(scene):
    decided = [fact for fact in facts(scene) if isinstance(fact, Decided)]
    assert any(fact.would and fact.would.action != "hold" for fact in decided) is (
        scene == "observe"
    )
    assert any(fact.would for fact in decided)


def test_one_has_sums_of_which_members_are_away():
    looks = [fact for fact in facts("sums") if isinstance(fact, Observed)]
    sums = [own for fact in looks for tally in fact.tallies.values() for own in tally.sums.values()]
    assert any(len(own) == 1 for own in sums)  # the highest pace alone
    assert any(len(own) > 1 for own in sums)  # and what is owed


def test_one_has_segments_pairs_people_and_a_judge_that_changes():
    looks = [fact for fact in facts("judged") if isinstance(fact, Observed)]
    tallies = {name: own for fact in looks for name, own in fact.tallies.items()}
    assert {"preferred", "people", "errors[site=north]"} <= tallies.keys()
    judges = [fact.tallies["quality"].judges for fact in looks if "quality" in fact.tallies]
    assert any(len(own) > 1 for own in judges)
    assert len(set().union(*judges)) == 2
