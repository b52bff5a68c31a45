"""An older version meets a newer one's entries: refused in words, and nothing is written."""

from __future__ import annotations

import copy
import json
import re
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.errors import JournalError
from rollout.journal.hash_chain import Row, canonical, digest
from rollout.journal.jsonl import to_lines
from rollout.journal.memory import MemoryJournal
from rollout.journal.sql import tables
from rollout.journal.sql.store import open_journal
from rollout.metrics.meter import Meter
from rollout.ports import Ports
from rollout.simulate import MemoryRouter, VirtualClock
from rollout.tick.controller import Controller
from rollout.wire import clock as wire_clock
from rollout.wire import meshes
from rollout.wire.replica import Replica
from rollout.wire.shard import Shard
from tests.support.worlds import BAD, GOOD, Lab

REFUSAL = r"entry \d+ (holds a fact this version cannot read|.*cannot be replayed: )"


def change(of, /, **fields):
    """Make a fact of a kind that an older version knows, with something that it does not."""

    def make(facts):
        return {**[fact for fact in facts if fact["kind"] == of][-1], **fields}

    return make


def begin_another(**fields):
    def make(facts):
        plan = copy.deepcopy(facts[0]["plan"])
        plan["metadata"]["name"], plan["spec"]["service"] = "other", "other"
        plan["spec"] |= fields
        return {**facts[0], "plan": plan, "rollout": "other-0f0f0f0f"}

    return make


NEWER = {
    "a kind": change("started", kind="foreseen"),
    "a field of an observation": change("observed", zenith={"of": 1}),
    "a field of a decision": change("decided", zenith=1),
    "a field of a confirmation": change("confirmed", zenith=1),
    "a field of a start": change("started", zenith=1),
    "an action": change("decided", action="teleport"),
    "a command": change("decided", kind="human-said", command="hasten", actor="me"),
    "a field of a plan": begin_another(zenith="5%"),
    "a value of a plan": begin_another(onDrift="negotiate"),
}
"""What a newer version appended last."""


@pytest.fixture(scope="module")
def begun():
    """A rollout at 5 % whose canary fails from then on."""
    lab = Lab()
    lab.run_until(lambda state: state.split.canary == 5 and state.steady_at is not None, 100)
    lab.world.behaviours = {"v1": GOOD, "v2": BAD}
    return lab


@pytest.fixture(params=NEWER)
def rows(request, begun):
    """The rows of its journal, the last of which is a newer version's."""
    sealed = begun.journal.rows()
    text = canonical(NEWER[request.param]([json.loads(row.text) for row in sealed]))
    last, seq = sealed[-1].hash, len(sealed) + 1
    return [*sealed, Row(seq, text, last, digest(last, seq, text))]


def store(path, rows):
    """Write rows into SQLite, as the newer version does."""
    with closing(open_journal(path)) as journal, journal.database.writing() as connection:
        for row in rows:
            fact = json.loads(row.text)
            copied = {"at": fact["at"], "rollout": fact["rollout"], "kind": fact["kind"]}
            connection.execute(tables.INSERT, [{**copied, **vars(row)}])


@pytest.fixture
def database(rows, tmp_path):
    """The same journal in SQLite."""
    store(path := tmp_path / "journal.db", rows)
    return path


def refuse(begun, journal, controller=None):
    """Let a controller try time and again: the second tick must not go on behind the first's."""
    router, clock = MemoryRouter(), VirtualClock()
    controller = controller or Controller(Ports(begun.world, router, journal, clock), "older")
    for _ in range(4):
        with pytest.raises(JournalError, match=REFUSAL):
            controller.tick()
        controller.ports.clock.sleep(5.0)
    with pytest.raises(JournalError, match=REFUSAL):
        controller.start([begun.plan])
    assert controller.ports.router.writes == []


def test_a_controller_that_starts_refuses_at_every_tick_and_writes_nothing(rows, begun):
    journal = MemoryJournal(rows)
    refuse(begun, journal)
    assert journal.rows() == rows


def test_one_that_runs_refuses_it_as_well(rows, begun, tmp_path):
    """Two versions in turn, as when an upgrade is taken back while both run."""
    store(path := tmp_path / "journal.db", rows[:-1])
    with closing(open_journal(path)) as journal:
        ports = Ports(begun.world, MemoryRouter(), journal, VirtualClock())
        (controller := Controller(ports, "older")).catch_up()
        store(path, rows[-1:])
        refuse(begun, journal, controller)
        assert journal.rows() == rows


def test_the_same_in_sqlite(rows, database, begun):
    with closing(open_journal(database)) as journal:
        refuse(begun, journal)
        assert journal.rows() == rows


def test_run_refuses_and_writes_nothing(rows, database, begun, tmp_path, monkeypatch):
    router = MemoryRouter()
    monkeypatch.setattr(
        "rollout.observe.prometheus.PrometheusObserver", lambda *_, **__: begun.world
    )
    monkeypatch.setattr(meshes, "router", lambda *_: router)
    monkeypatch.setattr(wire_clock, "SystemClock", lambda: begun.clock)
    (plan := tmp_path / "plan.yaml").write_text(yaml.safe_dump(begun.plan.document()))
    done = CliRunner().invoke(surefoot, ["run", str(plan), "--journal", str(database)])
    assert_refused(done)
    assert router.writes == []
    assert read_rows(database) == rows


def test_operate_refuses_and_writes_nothing(rows, database, begun, monkeypatch):
    router = MemoryRouter()
    monkeypatch.setattr(meshes, "router", lambda *_: router)
    meter = Meter("older", begun.clock.now, begun.clock.monotonic)
    cluster: Any = SimpleNamespace(api=None)  # no watch of it begins
    replica = Replica(Shard(database, "default", None), cluster, None, meter, print, print)
    with replica.term() as tick:
        for _ in range(3):
            with pytest.raises(JournalError, match=REFUSAL):
                tick()
    assert router.writes == []
    assert read_rows(database) == rows


@pytest.mark.parametrize("suffix", [".db", ".jsonl"])
def test_status_refuses_in_words(rows, database, tmp_path, suffix):
    recording = tmp_path / "journal.jsonl"
    recording.write_text("".join(f"{line}\n" for line in to_lines(rows)))
    journal = database if suffix == ".db" else recording
    assert_refused(CliRunner().invoke(surefoot, ["status", "--journal", str(journal)]))
    assert read_rows(database) == rows


def read_rows(database):
    with closing(open_journal(database, create=False)) as journal:
        return journal.rows()


def assert_refused(done):
    assert done.exit_code == 1, done.output
    assert isinstance(done.exception, SystemExit)
    assert re.search(REFUSAL, " ".join(done.output.split()))
