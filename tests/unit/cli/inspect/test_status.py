"""`surefoot status`: of all rollouts, or of one without the evidence of the others."""

from __future__ import annotations

import json
from contextlib import closing

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.decide.record.facts import Observed
from rollout.journal.jsonl import export
from rollout.journal.sql.store import open_journal
from rollout.journal.sql.stored import VerifiedReads
from tests.support.worlds import BAD, Lab, plan

MOMENTARY = {"next", "timers"}


def status(path, *arguments):
    words = ["status", *arguments, "--journal", str(path), "--json"]
    return CliRunner().invoke(surefoot, words)


@pytest.fixture(scope="module")
def two():
    """The facts of a rollout that was rolled back, and of another plan's that goes on."""
    first = Lab(BAD, plan=plan("first"))
    first.run()
    second = Lab(plan=plan("second", service="other"))
    second.run(30)
    return [*first.facts, *second.facts]


@pytest.fixture(params=["journal.db", "recorded.jsonl"])
def path(request, two, tmp_path):
    with closing(open_journal(tmp_path / "journal.db")) as journal:
        journal.append(two, after=0)
        export(journal.rows(), tmp_path / "recorded.jsonl")
    return tmp_path / request.param


def test_one_rollout_is_told_as_it_is_among_all(path):
    both = json.loads(status(path).stdout)
    assert [rollout["name"] for rollout in both] == ["first", "second"]
    for rollout in both:
        (by_name,) = json.loads(status(path, rollout["name"]).stdout)
        (by_id,) = json.loads(status(path, rollout["rollout"]).stdout)
        settled = {k: v for k, v in rollout.items() if k not in MOMENTARY}
        assert settled.items() <= by_name.items()
        assert settled.items() <= by_id.items()


def test_an_unknown_name_is_refused_with_the_known_ones(path):
    refused = status(path, "third")
    assert refused.exit_code == 2
    assert "known: first, second" in refused.stderr


def test_evidence_of_others_is_not_read(two, tmp_path, monkeypatch):
    path = tmp_path / "journal.db"
    with closing(open_journal(path)) as journal:
        journal.append(two, after=0)
    picked: list[int] = []
    read_at = VerifiedReads.read_at

    def counted(self, places):
        picked.extend(places)
        return read_at(self, places)

    monkeypatch.setattr(VerifiedReads, "read_at", counted)
    assert status(path, "second").exit_code == 0
    read = {two[seq - 1].rollout for seq in picked}
    assert len(read) == 1
    assert sum(isinstance(two[seq - 1], Observed) for seq in picked) > 5


def test_the_newest_are_told_as_they_are_among_all(path):
    """They are read backwards to where they began, and what was not read is said."""
    every = json.loads(status(path).stdout)
    newest = status(path, "-n", "1")
    assert [settle(own) for own in json.loads(newest.stdout)] == [settle(every[-1])]
    assert "are whole and linked" in newest.stderr
    assert "-n all shows older rollouts" in newest.stderr
    for most in ("2", "9", "all"):
        answer = status(path, "-n", most)
        assert [*map(settle, json.loads(answer.stdout))] == [*map(settle, every)]
        assert not answer.stderr


def test_the_newest_of_a_name_are_found_behind_others(path):
    (alone,) = json.loads(status(path, "first", "-n", "1").stdout)
    assert settle(alone) == settle(json.loads(status(path).stdout)[0])
    assert status(path, "third", "-n", "1").exit_code == 2


def test_a_word_about_an_older_rollout_is_not_passed_over(two, tmp_path):
    """An entry of one that began earlier stands behind the newest start: both are shown."""
    path = tmp_path / "journal.db"
    first = [fact for fact in two if fact.rollout == two[0].rollout]
    others = [fact for fact in two if fact.rollout != two[0].rollout]
    with closing(open_journal(path)) as journal:
        journal.append([*first[:-1], *others, first[-1]], after=0)
    newest = json.loads(status(path, "-n", "1").stdout)
    assert [own["name"] for own in newest] == ["second"]
    assert json.loads(status(path, "first").stdout)[0]["phase"] == "rolled back"


def test_an_older_rollout_in_progress_is_among_the_newest(two, tmp_path):
    """Whoever looks at the newest one must not miss that another one still runs."""
    path = tmp_path / "journal.db"
    first = [fact for fact in two if fact.rollout == two[0].rollout]
    others = [fact for fact in two if fact.rollout != two[0].rollout]
    with closing(open_journal(path)) as journal:
        journal.append([*first[:5], *others, first[5]], after=0)
    newest = json.loads(status(path, "-n", "1").stdout)
    assert [own["name"] for own in newest] == ["first", "second"]


@pytest.mark.parametrize("most", ["0", "-1", "some", "1000001"])
def test_a_number_of_rollouts_that_is_none_is_refused(path, most):
    assert status(path, "-n", most).exit_code == 2


def settle(rollout):
    """Leave out what hangs on the moment at which it is asked."""
    return {key: value for key, value in rollout.items() if key not in MOMENTARY}
