"""No command, page or answer of the API shows what stands in labels that a plan does not name.

Each command and each route of the server is called as the program lists it, on the journal of a
rollout whose labels hold identifiers. A new one fails here until it is looked through as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from starlette.routing import Route

from rollout.cli import surefoot
from rollout.decide.record.facts import Decided
from rollout.demo.servers.process import free_ports
from rollout.journal.sql.store import open_journal
from rollout.page.access import PageAccess, names_of
from rollout.page.api import BASE
from rollout.page.app import application
from rollout.page.charts import CHARTS, THEMES
from rollout.page.pages import PageSet
from rollout.page.reader import JournalReader
from rollout.page.render import Links
from rollout.page.serve import PageListener, serving_beside
from rollout.wire import doctor_tools
from tests.simulation.identified import (
    IdentifiedLab,
    IdentifiedPast,
    disclosed,
    live,
)
from tests.support.commands import Inputs, arguments, commands, keep_apart
from tests.unit.page.client import PageClient

TOKEN, GATE_SECRET = "a-token-of-the-tests", "a-gate-of-the-tests"

READERS = {
    "status", "watch", "site", "diff", "verdict", "wait", "log", "why", "verify", "checkpoint",
    "export", "pause", "resume", "promote", "abort", "confirm", "retry", "rehearse", "report",
    "calibrate",
}  # fmt: skip
"""Commands that read the journal or the series, and print something of them."""

REFUSED = {"confirm", "retry"}
"""Those that this rollout is not ready for: they only say so."""

OTHERS = {
    "demo": "starts servers of its own",
    "init": "writes a plan for a person who looks at the series",
    "doctor": "shows labels' values live, to whoever asks Prometheus",
    "run": "ticks, as the rollout here does",
    "operate": "ticks, as the rollout here does",
    "backtest": "reads a plan and Prometheus",
    "serve": "asked below, path by path",
    "undo": "only of a promotion",
    "check": "reads a plan",
    "schema": "reads nothing",
    "completion": "reads nothing",
    "templates": "reads templates",
    "notebooks": "copies files",
    "mesh": "reads mesh documents",
    "simulate": "has a world of its own",
    "remove": "deletes what a plan made",
}
"""All other commands, and why they are not called here."""


@pytest.fixture(scope="module")
def lab() -> IdentifiedLab:
    return live()


@pytest.fixture(scope="module")
def facts(lab: IdentifiedLab) -> list[Any]:
    return [entry.fact for entry in lab.journal.read()]


@pytest.fixture
def journal(facts, tmp_path) -> Path:
    path: Path = tmp_path / "journal.db"
    with closing(open_journal(path)) as opened:
        opened.append(facts, after=0)
    return path


@pytest.fixture
def plan_file(lab, tmp_path) -> Path:
    path: Path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(lab.plan.document()), encoding="utf-8")
    return path


def newest_decision(facts) -> str:
    return str(max(n for n, fact in enumerate(facts, 1) if isinstance(fact, Decided)))


def test_every_command_is_called_here_or_is_no_output_of_series():
    assert READERS | OTHERS.keys() == {path[0] for path, _ in commands()}
    assert READERS.isdisjoint(OTHERS)


@pytest.fixture
def apart(monkeypatch, tmp_path, lab):
    keep_apart(monkeypatch, tmp_path, "not in this test", "rollout.wire.clock.SystemClock.sleep")
    for name in ("observer", "history_source"):
        monkeypatch.setattr(doctor_tools, name, lambda *_: IdentifiedPast(lab))


def _keep_errors_alone(plan_file: Path) -> Path:
    """Write the plan with the one guardrail whose pods are found."""
    document = yaml.safe_load(plan_file.read_text())
    document["spec"]["guardrails"] = document["spec"]["guardrails"][:1]
    path = plan_file.with_name("errors.yaml")
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def list_ways(name: str, facts, journal: Path, plan_file: Path, folder: Path) -> list[list[str]]:
    """The ways in which a command is called: for a person, and for a program where it can."""
    command = {path[0]: command for path, command in commands()}[name]
    out, number = str(folder / f"{name}.jsonl"), newest_decision(facts)
    read = ["--journal", str(journal)]
    inputs = Inputs(str(plan_file), str(journal), "demo", number, out)
    notes, key = str(folder / "notes.txt"), str(folder / "sign.key")
    sign = ["checkpoint", "--key", key, "--to", notes, *read]
    special = {
        "log": [["log", "--all", *read], ["log", "--export", out, *read]],
        "rehearse": [["rehearse", str(plan_file), "--runs", "1"]],
        "calibrate": [["calibrate", str(_keep_errors_alone(plan_file)), "--runs", "20"]],
        "diff": [["diff", "demo", str(plan_file), *read]],
        "watch": [["watch", "--once", *read], ["watch", "--at", number, "--svg", out, *read]],
        "site": [["site", str(folder / "site"), *read]],
        "wait": [["wait", "demo", "--timeout", "0s", *read]],
        "checkpoint": [["checkpoint", "--key", key, "--new-key", "a.example/j"], sign],
        "export": [
            ["checkpoint", "--key", key, "--new-key", "a.example/j"],
            sign,
            ["export", out, "--checkpoints", notes, *read],
            ["export", f"{out}.proof", "--checkpoints", notes, "--entry", number, *read],
        ],
    }
    ways = special.get(name, [[name, *arguments(command, inputs)]])
    has_json = "as_json" in {parameter.name for parameter in command.params}
    return ways + [
        [own[0], "--json", *own[1:]] for own in ways if has_json and "--export" not in own
    ]


@pytest.mark.parametrize("name", sorted(READERS))
@pytest.mark.usefixtures("apart")
def test_no_command_shows_them(name, facts, journal, plan_file, tmp_path):
    for words in list_ways(name, facts, journal, plan_file, tmp_path):
        result = CliRunner().invoke(surefoot, words)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        assert (result.exit_code == 2) is (name in REFUSED), (words, result.output)
        assert disclosed(result.output) == [], words
    written = [file for file in tmp_path.rglob("*") if file.is_file()]
    for file in written:
        assert disclosed(file.read_bytes().decode("utf-8", "replace")) == [], file


@dataclass(frozen=True)
class AskedPages:
    """The pages of a journal, who may see them, and a server of them."""

    pages: PageSet
    access: PageAccess
    server: PageClient


@pytest.fixture
def client(journal) -> Iterator[AskedPages]:
    """A server of the page, and what asks it with the token."""
    (port,) = free_ports(1)
    listener = PageListener("127.0.0.1", port)
    access = PageAccess(TOKEN, names_of(listener.address), gate=GATE_SECRET)
    with closing(open_journal(journal)) as opened:
        pages = PageSet(JournalReader(opened, lambda: 2e9, pause=0), opened, Links())
        with serving_beside(pages, listener, access):
            yield AskedPages(pages, access, PageClient(port, TOKEN, journal))


def list_paths(client, lab, facts) -> list[str]:
    """A path of every route of the server; what a route asks for that is not here fails."""
    guard: Any = application(client.pages, client.access)
    names = {
        "rollout": lab.plan.id,
        "chart": next(iter(CHARTS)),
        "theme": next(iter(THEMES)),
        "namespace": lab.plan.metadata.namespace,
        "service": "summarizer",
        "number": newest_decision(facts),
        "name": "demo",
        "secret": GATE_SECRET,
        "goal": "step",
    }
    routes = [route for route in guard.app.routes if isinstance(route, Route)]
    return [re.sub(r"{(\w+)}", lambda name: names[name[1]], route.path) for route in routes]


def test_no_page_and_no_answer_of_the_api_shows_them(client, lab, facts):
    """Every number of a decision and of an entry is asked for too."""
    paths = {*list_paths(client, lab, facts)} - {"/events", "/sign-in"}  # they tell of no series
    assert {"/", "/replay", f"{BASE}/rollouts/demo/verdict"} <= paths
    decisions = [n for n, fact in enumerate(facts, 1) if isinstance(fact, Decided)]
    paths |= {f"/decisions/{n}" for n in decisions}
    paths |= {f"{BASE}/entries/{n}" for n in range(1, len(facts) + 1)}
    for path in sorted(paths):
        is_gate = path.startswith(f"{BASE}/gate")
        ask = client.server.ask if is_gate else client.server.get
        reply = ask(path, **({"method": "POST"} if is_gate else {}))
        assert reply.status in ({200, 403} if is_gate else {200}), path
        assert disclosed(reply.text) == [], path
        assert disclosed(json.dumps(reply.headers)) == [], path
