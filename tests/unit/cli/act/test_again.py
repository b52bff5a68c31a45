"""`surefoot undo` and `surefoot retry` on a real journal, and what `status` says of the record."""

from __future__ import annotations

import json
import threading
from contextlib import closing

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.cli.act.again import record_confirmation
from rollout.cli.act.command import worded
from rollout.errors import InputError
from rollout.journal.memory import MemoryJournal
from rollout.journal.sql.store import open_journal
from rollout.simulate import MemoryRouter
from rollout.wire import meshes
from tests.support.following import CutOffRouter, following_plan, run_to_following
from tests.support.worlds import BAD, GOOD, Lab, plan


def call(*arguments: object):
    return CliRunner().invoke(surefoot, list(map(str, arguments)))


@pytest.fixture(params=[GOOD, BAD], ids=["promoted", "rolled back"])
def ended(request, tmp_path):
    """A lab whose rollout has ended, and the journal's path."""
    path = tmp_path / "journal.db"
    lab_run = Lab(request.param)
    lab_run.run()
    with closing(open_journal(path)) as journal:
        journal.append(lab_run.facts, after=0)
    return lab_run, path


def test_each_word_where_it_makes_sense(ended):
    lab_run, path = ended
    word, other = ("undo", "retry") if lab_run.state.phase == "promoted" else ("retry", "undo")
    refused = call(other, "demo", "--journal", path)
    assert (refused.exit_code, refused.stdout) == (2, "")
    result = call(word, "demo", "--journal", path, "--reason", "ticket 7", "--as", "ada", "--json")
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert (lines[0]["command"], lines[0]["actor"], lines[0]["reason"]) == (word, "ada", "ticket 7")
    assert [line["kind"] for line in lines[1:]] == (["started"] if word == "retry" else [])
    again = call(word, "demo", "--journal", path)
    assert again.exit_code == 2
    assert "has not ended" in again.stderr


def test_status_names_the_stable_version_on_record(ended):
    lab_run, path = ended
    stable = "v2" if lab_run.state.phase == "promoted" else "v1"
    (row,) = json.loads(call("status", "--journal", path, "--json").stdout)
    assert row["recorded_stable"] == stable
    assert f"stable version now: {stable}" in call("status", "--journal", path).stdout
    assert f"the stable version is now {stable}" in call("log", "--journal", path).stdout


def test_a_word_for_a_live_rollout_names_the_one_for_an_ended_one(ended):
    lab_run, path = ended
    word = "undo" if lab_run.state.phase == "promoted" else "retry"
    assert f"`surefoot {word}`" in call("abort", "demo", "--journal", path).stderr


@pytest.fixture
def promoted(tmp_path):
    """The journal of a promotion."""
    path = tmp_path / "journal.db"
    lab_run = Lab()
    lab_run.run()
    with closing(open_journal(path)) as journal:
        journal.append(lab_run.facts, after=0)
    return path


@pytest.mark.parametrize("has_endpoints", [True, False, None])
def test_an_undo_asks_for_the_old_version_s_endpoints(promoted, monkeypatch, has_endpoints):
    router = MemoryRouter(has_stable_endpoints=has_endpoints)
    monkeypatch.setattr(meshes, "router", lambda _context: router)
    result = call("undo", "demo", "--journal", promoted)
    if has_endpoints is False:
        assert (result.exit_code, result.stdout) == (2, "")
        assert "v1 has no ready endpoint (cluster summarizer-v1 of Envoy)" in result.stderr
        result = call("undo", "demo", "--journal", promoted, "--force")
    assert result.exit_code == 0, result.output
    warning = "unknown whether v1 has endpoints"
    assert (warning in result.stderr) is (has_endpoints is None)


def test_an_undo_goes_on_where_the_mesh_does_not_answer(promoted, monkeypatch):
    over = threading.Event()

    class HangingRouter(MemoryRouter):
        def endpoints(self, plan, arm):
            over.wait(60)
            return False

    monkeypatch.setattr(meshes, "router", lambda _context: HangingRouter())
    monkeypatch.setattr(meshes, "_PATIENCE", 0.1)
    result = call("undo", "demo", "--journal", promoted)
    over.set()
    assert result.exit_code == 0, result.output
    assert "unknown whether v1 has endpoints" in result.stderr


class ReadBackwards(MemoryJournal):
    """A journal that nobody may read from its first entry on."""

    def read(self, after=0, most=None):
        raise AssertionError(f"read after {after}")

    def scan(self):
        raise AssertionError("read from the first entry on")


def test_a_confirmation_reads_no_journal_from_its_beginning():
    older = Lab(BAD, plan("older", service="other"))
    older.run()
    router = CutOffRouter()
    lab = Lab(BAD, following_plan(), router=router, journal=older.journal)
    run_to_following(lab)
    router.stays_at = 0.05
    lab.run()
    assert isinstance(lab.journal, MemoryJournal)
    journal = ReadBackwards(lab.journal.rows())
    command = worded("confirm", actor="ada", reason="", now=lab.clock.now())
    with pytest.raises(InputError, match="known: demo, older"):
        record_confirmation(journal, "typo", command)
    with pytest.raises(InputError, match="nothing says that traffic does not follow"):
        record_confirmation(journal, "older", command)
    (entry,) = record_confirmation(journal, lab.plan.name, command)
    assert entry.fact.rollout == lab.rollout
