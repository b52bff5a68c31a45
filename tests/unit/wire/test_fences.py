"""Every write to a mesh first asks whether this process still decides, as it is wired."""

from __future__ import annotations

import json

import pytest

from rollout.decide.record.split import Split
from rollout.errors import StaleError
from rollout.journal.sql.store import SqlJournal
from rollout.wire import controller, meshes
from tests.support.worlds import plan


def _refuse():
    raise StaleError("another one leads")


@pytest.fixture
def file(tmp_path):
    route = {"weighted_clusters": {"clusters": [{"name": "summarizer-v1", "weight": 100}]}}
    host = {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": route}]}
    path = tmp_path / "rds.json"
    path.write_text(json.dumps({"resources": [{"name": "r", "virtual_hosts": [host]}]}))
    return path


def _envoy_plan(file, **spec):
    return plan(route={"envoy": {"file": str(file), "admin": "http://127.0.0.1:1"}}, **spec)


@pytest.mark.parametrize("canary", [0, 5])
def test_the_file_of_a_local_envoy_is_not_replaced_without_asking(file, canary):
    before = file.read_text()
    with pytest.raises(StaleError):
        meshes.router(fence=_refuse).write(_envoy_plan(file), Split(canary, 100), "r/1")
    assert file.read_text() == before


def test_the_part_that_replaces_the_file_asks_itself(file):
    before, calls = file.read_text(), []

    def lost_after_the_first():
        calls.append("asked")
        if len(calls) > 1:
            _refuse()

    with pytest.raises(StaleError):
        meshes.router(fence=lost_after_the_first).write(_envoy_plan(file), Split(0, 100), "r/1")
    assert file.read_text() == before
    assert len(calls) == 2


def test_a_lost_journal_lock_stops_every_write(tmp_path, file, monkeypatch):
    def lost(_journal):
        raise StaleError("the journal is another one's")

    monkeypatch.setattr(SqlJournal, "check_held", lost)
    before = file.read_text()
    with controller.open_controller(tmp_path / "journal.db") as opened, pytest.raises(StaleError):
        opened.ports.router.write(_envoy_plan(file), Split(0, 100), "r/1")
    assert file.read_text() == before
