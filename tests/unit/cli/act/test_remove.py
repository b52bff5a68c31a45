"""`surefoot remove`: who is asked, what is said, and how it ends."""

from __future__ import annotations

import json
from contextlib import closing

import pytest
import yaml
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.decide.record.facts import Started
from rollout.decide.record.split import Split
from rollout.journal.sql.store import open_journal
from rollout.route.remove.remover import Remover
from rollout.wire import meshes
from tests.support.creations import RULED
from tests.support.removable import after
from tests.support.routes import istio, plan

PLAN = istio(**RULED)
BORN = "2026-11-21T00:00:00Z"


@pytest.fixture
def store():
    cluster_store = after(PLAN, Split(5), Split(100))
    for live in cluster_store.held.values():
        live["metadata"]["creationTimestamp"] = BORN
    return cluster_store


@pytest.fixture
def remove(store, tmp_path, monkeypatch):
    """The command on this cluster, with a plan file and a state folder of its own."""
    monkeypatch.setattr(meshes, "remover", lambda _context: Remover(store, lambda _: None))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    file = tmp_path / "plan.yaml"

    def run(*options, asked=PLAN, given=""):
        file.write_text(yaml.safe_dump(asked.document()))
        return CliRunner().invoke(surefoot, ["remove", str(file), *options], input=given)

    return run


def test_it_says_what_goes_and_what_that_means_and_asks(remove, store):
    done = remove(given="n\n")
    assert (done.exit_code, len(store.held)) == (1, 2)
    first, second, *_ = done.stdout.splitlines()
    assert first.startswith("delete  VirtualService ns/reviews, ")
    assert first.endswith(" old: 100 % to v2, the rest to v1; made for reviews-v2")
    assert "DestinationRule ns/reviews-rule" in second
    assert "go to every pod behind it, also to those of v2" in done.stdout
    assert done.stderr.startswith("Remove? [y/N]")
    done = remove(given="y\n")
    assert (done.exit_code, store.held) == (0, {})
    assert "done: VirtualService ns/reviews, DestinationRule ns/reviews-rule" in done.stdout


def test_where_nobody_can_be_asked_nothing_is_done(remove, store):
    done = remove()
    assert (done.exit_code, len(store.held)) == (2, 2)
    assert "use --yes" in done.stderr


def test_twice_is_once(remove):
    assert remove("--yes").exit_code == 0
    done = remove("--yes")
    assert (done.exit_code, done.stdout) == (0, "rollouts of reviews left nothing there\n")
    assert json.loads(remove("--json", "--yes").stdout) == []


def test_looking_changes_nothing(remove, store):
    done = remove("--dry-run", "--json")
    assert (done.exit_code, len(store.held)) == (0, 2)
    (row, _) = json.loads(done.stdout)
    assert row.pop("age") > 0
    assert row == {
        "kind": "VirtualService",
        "name": "reviews",
        "carries": "100 % to v2, the rest to v1",
        "deed": "delete",
        "why": "made for reviews-v2",
        "done": False,
    }


@pytest.mark.parametrize("options", [["--yes"], ["--dry-run"]])
def test_what_was_edited_is_named_and_ends_with_1(remove, store, options):
    store.held["DestinationRule", "reviews-rule"]["spec"]["exportTo"] = ["."]
    done = remove(*options)
    assert done.exit_code == 1
    assert "keep    DestinationRule ns/reviews-rule" in done.stdout
    assert "changed since we made it: spec.exportTo" in done.stdout
    assert len(store.held) == (1 if options == ["--yes"] else 2)


def under_way(store):
    resource = {"metadata": {"name": "reviews-v2"}, "spec": {"service": "reviews"}}
    store.held["RolloutPlan", "reviews-v2"] = resource


def test_a_rollout_under_way_is_a_refusal_unless_told_otherwise(remove, store):
    under_way(store)
    done = remove("--yes")
    assert (done.exit_code, len(store.held)) == (1, 3)
    assert (
        "the RolloutPlan reviews-v2 is not started yet: wait for its end or abort it" in done.stderr
    )
    assert remove("--dry-run").exit_code == 0
    done = remove("--yes", "--force")
    assert (done.exit_code, [*store.held]) == (0, [("RolloutPlan", "reviews-v2")])
    assert "warning: the RolloutPlan reviews-v2 is not started yet" in done.stderr


def test_the_journal_is_asked_too(remove, tmp_path):
    path = tmp_path / "journal.db"
    fact = {"rollout": PLAN.id, "plan": PLAN.document(), "digest": PLAN.digest}
    with closing(open_journal(path)) as journal:
        journal.append([Started(**fact, at=1.0, total=100, controller="0")], after=0)
    done = remove("--yes", "--journal", str(path))
    assert done.exit_code == 1
    assert f"{PLAN.id} is waiting in the journal" in done.stderr
    assert remove("--journal", str(tmp_path / "none.db")).exit_code == 2


def test_what_has_no_objects_is_no_plan_for_it(remove):
    local = plan({"envoy": {"file": "r.yaml", "admin": "http://127.0.0.1:1"}})
    done = remove(asked=local)
    assert done.exit_code == 2
    assert "where nothing is created" in done.stderr
