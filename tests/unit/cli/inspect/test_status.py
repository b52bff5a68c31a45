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
        settled = {k: v for k, v in rollout.items() if k not in {"next", "timers"}}
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
