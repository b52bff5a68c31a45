"""Promises that no test held: each of these fails where the promise is broken in the code."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from rollout.decide.evidence.blindness import blindness, stale_after
from rollout.decide.record.split import Split
from rollout.errors import StaleError
from rollout.journal.sql.store import SqlJournal
from rollout.route.envoy import watched
from rollout.route.fence import FencedFiles
from rollout.wire import meshes
from rollout.wire.controller import open_controller
from tests.support.worlds import Lab, plan

ROUTE: dict[str, Any] = {
    "resources": [
        {
            "name": "s",
            "virtual_hosts": [
                {
                    "name": "all",
                    "routes": [
                        {
                            "match": {"prefix": "/"},
                            "route": {
                                "weighted_clusters": {
                                    "clusters": [{"name": "summarizer-v1", "weight": 1}]
                                }
                            },
                        }
                    ],
                }
            ],
        }
    ]
}


def stepping():
    lab = Lab()
    lab.run_until(lambda state: state.split.canary == 5 and state.steady_at is not None)
    return lab


def test_a_stable_without_a_sample_is_blind_as_soon_as_it_is_stale():
    """Stable may be no staler than the canary: its silence is the reason, not the canary's."""
    lab = stepping()
    state, scrape = lab.state, lab.plan.spec.prometheus.scrape
    newest = state.guardrails["errors"].cursor.newest("stable")
    assert newest is not None
    assert "errors" not in blindness(state, newest + stale_after(state) - scrape / 2)
    blind = blindness(state, newest + stale_after(state) + scrape)["errors"]
    assert "no new sample of v1" in blind.reason


def test_a_file_of_a_local_envoy_is_not_replaced_by_who_decides_no_more(tmp_path):
    file = tmp_path / "rds.json"
    file.write_text("{}")

    def fence() -> None:
        raise StaleError("another controller decides")

    with pytest.raises(StaleError):
        FencedFiles(fence).replace(file, ROUTE)
    assert file.read_text() == "{}"
    route = {"envoy": {"file": str(file), "admin": "http://127.0.0.1:1"}}
    file.write_text('{"version_info": "untouched"}')
    with pytest.raises(StaleError):
        meshes.router(fence=fence).write(plan(route=route), Split(0), "x/1")
    assert "untouched" in file.read_text()


def test_the_bake_does_not_run_while_the_share_contradicts_the_weight(monkeypatch):
    lab = Lab(plan=plan(ramp={"steps": ["25%", "50%"], "bake": "5s"}))
    monkeypatch.setattr(lab.router, "share", lambda _plan: 0.02)
    lab.run(60)
    assert lab.state.split.canary == 25
    assert lab.state.steady_at is None or lab.decisions[-1].reasons == ("exposure-mismatch",)
    assert "promote" not in lab.actions
    assert max(split.canary for _, split, _ in lab.router.writes) == 25


def test_a_route_file_is_on_disk_before_it_takes_its_place(tmp_path, monkeypatch):
    file = tmp_path / "rds.json"
    file.write_text("{}")
    order: list[str] = []

    def note(name, call):
        def noting(*arguments):
            order.append(name)
            return call(*arguments)

        return noting

    monkeypatch.setattr(os, "fsync", note("fsync", os.fsync))
    monkeypatch.setattr(Path, "replace", note("replace", Path.replace))
    watched.replace(file, ROUTE)
    assert order == ["fsync", "replace"]


def test_a_pause_runs_out_of_patience_although_a_refusal_goes_on():
    lab = Lab(plan=plan(patience="60s", deadline="1h"))
    lab.run_until(lambda state: state.split.canary == 5 and state.steady_at is not None)
    lab.router.refusing = "may not patch"
    lab.run_until(lambda state: state.phase == "paused")
    lab.run(50)
    before = lab.state
    lab.run(30)
    assert (before.phase, lab.state.phase) == ("paused", "reverting")
    assert "patience-over" in {reason for d in lab.decisions for reason in d.reasons}


def test_a_lost_lock_of_the_journal_stops_every_write(tmp_path, monkeypatch):
    def lose(_journal: SqlJournal) -> None:
        raise StaleError("another controller holds the journal")

    monkeypatch.setattr(SqlJournal, "check_held", lose)
    file = tmp_path / "rds.json"
    file.write_text(json.dumps(ROUTE))
    route = {"envoy": {"file": str(file), "admin": "http://127.0.0.1:1"}}
    with open_controller(tmp_path / "journal.db") as controller, pytest.raises(StaleError):
        controller.ports.router.write(plan(route=route), Split(0), "x/1")
    assert json.loads(file.read_text()) == ROUTE
