"""What stands in the labels of series stays in Prometheus: it is in nothing that we write or show.

Identifiers are fed into every label that a plan does not name, through the production observer and
a whole rollout with everything that makes a look talk: births, restarts, doubts, twins, targets
that fall behind, restarts of the controller, samples that cannot be read.
"""

from __future__ import annotations

import base64
import binascii
import json
from contextlib import closing

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.decide.record.facts import Decided, Observed
from rollout.experiment.read import Experiments
from rollout.journal.hash_chain import seal
from rollout.journal.index import by_rollout
from rollout.journal.sql.store import open_journal
from rollout.metrics.meter import Meter
from rollout.metrics.page import line, page
from tests.support.clients import RATE, ClientLab
from tests.support.experiments import TABLES

PERSONS = (
    "Jane Q. Public-Doe",
    "jane.doe@hospital.example",
    "MRN 483-22-1907",
    "urn:nhs:9434765919",
)
LABELS = {
    "user": PERSONS[0],
    "email": PERSONS[1],
    "record": PERSONS[2],
    "pod": f"summarizer-{PERSONS[3]}",
    "job": f"clinic {PERSONS[1]}",
}
SCRAPES = 70


class IdentifiedLab(ClientLab):
    """A rollout in which everything happens that a look can tell of."""

    def __post_init__(self):
        self.lines = set()
        super().__post_init__()

    def restart(self):
        super().restart()
        controller, clock = self.controller, self.clock
        self.shown = Meter("1", clock.now, clock.now)
        controller.on_entry = self.shown.note
        controller.tick = self.shown.around(  # type: ignore[method-assign]
            controller.tick, controller.states, lambda: controller.head, controller.count_attempts
        )

    def make_pod(self, name):
        pod = super().make_pod(f"{PERSONS[0]}-{name}")
        pod.labels = {**pod.labels, "instance": f"{PERSONS[1]}/{name}:1"}
        return pod


def disturb(lab, scrape):
    first, second, *_ = lab.clients
    match scrape:
        case 10:
            lab.clients.append(lab.make_pod("late"))
            lab.clients[-1].counts += 100_000
        case 14:
            second.counts[:] = 0
        case 32:
            first.counts -= first.counts // 4  # doubted
        case 44:
            first.counts += 500_000  # doubted again
        case 16:
            lab.clients.append(lab.make_pod("twin"))
            lab.clients[-1].labels = {**second.labels, "job": f"again {PERSONS[2]}"}
        case 20:
            lab.clients.pop(3)
        case 26:
            lab.restart()
        case 62:
            arm = {"destination_service": "summarizer", "destination_version": "v2"}
            lab.server.write(RATE, {**first.labels, **arm}, lab.clock.now(), 1)  # without a code
    lab.lines.add(lab.shown.rollouts())


@pytest.fixture(scope="module")
def lab():
    lab = IdentifiedLab(labels=LABELS, happen=disturb)
    lab.run(SCRAPES)
    return lab


def disclosed(text: str) -> list[str]:
    """Return which identifiers a text holds, plain or in the usual encodings of journals."""
    forms = {name: _forms(name) for name in PERSONS}
    return [name for name, spellings in forms.items() if any(form in text for form in spellings)]


def _forms(name: str) -> set[str]:
    raw = name.encode()
    parts = {name, json.dumps(name)[1:-1], name.split(maxsplit=1)[0] if " " in name else name}
    return parts | {base64.b64encode(raw).decode().rstrip("="), binascii.hexlify(raw).decode()}


def test_the_labels_were_really_there_and_the_looks_told_of_much(lab):
    assert disclosed(json.dumps([dict(labels) for labels in lab.server.samples])) == [*PERSONS]
    facts = [e.fact for e in lab.journal.read() if isinstance(e.fact, Observed)]
    texts = "\n".join(
        [text for f in facts for words in f.unbelieved.values() for text in words]
        + [text for f in facts for text in f.problems.values()]
    )
    for words in ("is new", "fell", "count once"):
        assert words in texts
    assert any(tally.behind for f in facts for tally in f.tallies.values())
    assert any(tally.doubted for f in facts for tally in f.tallies.values())


def test_no_row_of_the_journal_holds_them(lab):
    for entry in lab.journal.read():
        assert disclosed(seal("", 1, entry.fact).text) == []


def test_no_metric_holds_them(lab):
    samples = page(line(sample) for sample in lab.shown.samples())
    assert disclosed("\n".join([*lab.lines, samples])) == []


def test_no_frame_of_a_notebook_holds_them(lab):
    experiments = Experiments(by_rollout(lab.journal.read()))
    tables = [experiments.overview()]
    texts = [repr(experiments)]
    for name in experiments:
        experiment = experiments[name]
        tables += [getattr(experiment, table)() for table in TABLES]
        texts += [repr(experiment), experiment._repr_html_()]
    assert disclosed("\n".join([*texts, *(table.to_csv() for table in tables)])) == []


def test_no_command_shows_them(lab, tmp_path):
    path, facts = tmp_path / "journal.db", [entry.fact for entry in lab.journal.read()]
    with closing(open_journal(path)) as opened:
        opened.append(facts, after=0)
    number = str(max(n for n, fact in enumerate(facts, 1) if isinstance(fact, Decided)))
    export = tmp_path / "export.jsonl"
    words = [
        ["log", "--all"],
        ["log", "--json", "--all"],
        ["log", "--export", str(export)],
        ["status"],
        ["status", "--json"],
        ["status", "demo"],
        ["why", number],
        ["why", number, "--json"],
    ]
    for command in words:  # `why` tells what was not counted, too
        result = CliRunner().invoke(surefoot, [*command, "--journal", str(path)])
        assert result.exit_code == 0, result.output
        assert disclosed(result.output) == []
    assert disclosed(export.read_text()) == []
    assert disclosed(path.read_bytes().decode("utf-8", "replace")) == []


def test_no_error_of_reading_tells_them(lab):
    """A histogram without its last bucket, a label that is missing: the words name no value."""
    other = IdentifiedLab(labels={**LABELS, "le": PERSONS[0]})
    other.run(3)
    problems = [f.problems for e in other.journal.read() if isinstance(f := e.fact, Observed)]
    assert problems
    assert disclosed(json.dumps(problems)) == []
