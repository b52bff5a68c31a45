"""Segments, pairs, people's labels and goals, whatever moves the traffic and whoever intervenes."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from rollout.cli.text.screen import screen
from rollout.decide.record.facts import Decided
from rollout.experiment.experiment import Experiment
from rollout.explain.decision.replayed import explain, text
from rollout.explain.status import report
from rollout.journal.memory import MemoryJournal
from rollout.page.pages import PageSet
from rollout.page.reader import JournalReader
from rollout.page.render import Links
from rollout.ports import Entry
from rollout.review.history import history
from tests.support.experiments import TABLES
from tests.support.following import tick
from tests.support.trials import ALL, say
from tests.support.worlds import GOOD, Behaviour, Lab, plan

BAD = Behaviour(errors=0.08, wins=0.45, fails=0.12)


def end(lab: Lab) -> None:
    lab.run(540)


def pause(lab: Lab) -> None:
    lab.run(20)
    say(lab, "pause")
    tick(lab, 10)
    assert lab.state.phase == "paused"
    say(lab, "resume")
    end(lab)


def undo(lab: Lab) -> None:
    end(lab)
    say(lab, "undo")
    tick(lab, 10)


def retry(lab: Lab) -> None:
    end(lab)
    say(lab, "retry")
    tick(lab, 2)
    lab.rollout = [*lab.controller.states][-1]
    end(lab)


def own_entries(lab: Lab) -> list[Entry]:
    return [entry for entry in lab.entries if entry.fact.rollout == lab.rollout]


TEAM = {"segment": {"header": {"name": "x-team", "exact": "beta"}}}
BLUE_GREEN = {"blueGreen": {"holdback": "20%"}, "bake": "8s"}
SWITCH = {"blueGreen": {"before": "60s"}, "bake": "8s"}
MIRROR = {"mirror": {"share": "50%", "lasts": "20s"}}
Way = tuple[dict[str, Any], Callable[[Lab], None], Behaviour, str]
WAYS: dict[str, Way] = {
    "holdback": ({"holdback": {"share": "5%", "lasts": "30s"}}, end, GOOD, "promoted"),
    "blue-green": ({"ramp": BLUE_GREEN}, end, GOOD, "promoted"),
    "switch": ({"ramp": SWITCH}, end, GOOD, "promoted"),
    "a switch that harms": ({"ramp": SWITCH}, end, BAD, "rolled back"),
    "mirror": ({"traffic": MIRROR}, end, GOOD, "promoted"),
    "a team": (
        {"traffic": TEAM, "ramp": {"steps": ["50%", "100%"], "bake": "8s"}}, end, GOOD, "promoted",
    ),
    "paused": ({}, pause, GOOD, "promoted"),
    "undone": ({}, undo, GOOD, "undone"),
    "retried": ({}, retry, BAD, "rolled back"),
}  # fmt: skip


@pytest.fixture(scope="module", params=WAYS)
def lab(request) -> Lab:
    spec, act, canary, phase = WAYS[request.param]
    rollout = Lab(canary, plan=plan(**{**ALL, **spec}), rate=60.0)
    act(rollout)
    assert rollout.state.phase == phase
    return rollout


def test_every_decision_is_replayed_and_explained(lab):
    assert not [look.differs for look in history(own_entries(lab)).looks if look.differs]
    for entry in lab.entries:
        if isinstance(entry.fact, Decided):
            explanation = explain(lab.entries[: entry.seq], entry.seq)
            assert explanation["replayed"]
            assert "errors[site=a]" in text(explanation)


def test_every_view_tells_of_each_segment(lab):
    status = report(lab.rollout, lab.state, lab.clock.now())
    json.dumps(status.as_json(), allow_nan=False)
    console = Console(file=io.StringIO(), width=160)
    console.print(screen([status], []))
    watched = console.file.getvalue()  # type: ignore[attr-defined]
    assert isinstance(lab.journal, MemoryJournal)
    pages = PageSet(JournalReader(lab.journal, lab.clock.now, pause=0), lab.journal, Links())
    page = pages.rollout(lab.rollout)
    for name in lab.state.segments:
        assert name in watched
        assert name in page


@pytest.mark.parametrize("table", TABLES)
def test_no_table_has_a_nan_and_no_chart_breaks(lab, table):
    exp = Experiment(history(own_entries(lab)))
    frame = getattr(exp, table)()
    for column in frame.columns:
        for cell in frame[column]:
            assert not (isinstance(cell, float) and math.isnan(cell)), (table, column)
    if table != "quantiles":
        assert getattr(exp.plot, table)().axes
