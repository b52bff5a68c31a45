"""What stands in the labels of series stays in Prometheus: it is in nothing that we write or show.

Identifiers are fed into every label that a plan does not name, through the production observer and
a whole rollout, and then looked for in all that is recorded, logged, sent and shown in a cluster;
`test_private_views` looks through what a person asks for.
"""

from __future__ import annotations

import inspect
import json
import logging
from typing import Any, get_args

import pytest

from rollout.decide.record.facts import Observed
from rollout.decide.state.hooks import body
from rollout.experiment.experiment import Experiment
from rollout.experiment.read import Experiments
from rollout.journal.hash_chain import seal
from rollout.journal.index import by_rollout
from rollout.journal.memory import MemoryJournal
from rollout.metrics.page import line, page
from rollout.plan.model.hooks import Hook, Moment
from tests.simulation.identified import (
    LABELS,
    PERSONS,
    IdentifiedLab,
    disclosed,
    live,
)
from tests.support.experiments import TABLES
from tests.support.plans import Operated, resource


@pytest.fixture(scope="module")
def lab() -> IdentifiedLab:
    return live()


@pytest.fixture(scope="module")
def facts(lab: IdentifiedLab) -> list[Any]:
    return [entry.fact for entry in lab.journal.read()]


def test_the_labels_were_really_there_and_the_looks_told_of_much(lab, facts):
    assert disclosed(json.dumps([dict(labels) for labels in lab.server.samples])) == [*PERSONS]
    looks = [fact for fact in facts if isinstance(fact, Observed)]
    texts = "\n".join(
        [text for f in looks for words in f.unbelieved.values() for text in words]
        + [text for f in looks for text in f.problems.values()]
    )
    for words in ("is new", "fell", "count once", "keeps jumping"):
        assert words in texts
    tallies = [tally for f in looks for tally in f.tallies.values()]
    assert any(tally.behind for tally in tallies)
    assert any(tally.doubted for tally in tallies)
    assert {name for f in looks for name in f.tallies} == {"errors", "latency", "sent", "tokens"}
    assert any(getattr(fact, "found_pods", None) for fact in facts)


def test_no_row_of_the_journal_holds_them(lab):
    for entry in lab.journal.read():
        assert disclosed(seal("", 1, entry.fact).text) == []


def test_no_metric_holds_them(lab):
    samples = page(line(sample) for sample in lab.shown.samples())
    assert disclosed("\n".join([*lab.lines, samples])) == []


def test_every_table_of_an_experiment_is_looked_through():
    own = inspect.getmembers(Experiment, inspect.isfunction)
    others = {"aa", "join"}  # one needs a size and is looked through too, one needs own data
    assert {name for name, _ in own if name[0] != "_"} == {*TABLES} | others


@pytest.mark.parametrize("table", [*TABLES, "aa"])
def test_no_table_of_a_notebook_holds_them(table, lab):
    for experiment in Experiments(by_rollout(lab.journal.read())).values():
        make = getattr(experiment, table)
        assert disclosed((make(n=2) if table == "aa" else make()).to_csv()) == []


def test_no_card_of_a_notebook_holds_them(lab):
    experiments = Experiments(by_rollout(lab.journal.read()))
    texts = [repr(experiments), experiments.overview().to_csv()]
    for experiment in experiments.values():
        texts += [repr(experiment), experiment._repr_html_()]
    assert disclosed("\n".join(texts)) == []


@pytest.mark.parametrize("when", get_args(Moment))
def test_no_hook_is_handed_them(when, lab):
    hook = Hook(name="tell", when=when, url="https://chat.example/x")
    for rollout, state in lab.controller.states.items():
        assert disclosed(json.dumps(body(state, rollout, hook, 1))) == []


def test_no_status_and_no_event_of_a_resource_holds_them(lab):
    """As an operator shows them that takes the rollout up where its journal ends, and goes on."""
    journal = MemoryJournal(lab.journal.rows())
    world = Operated(journal=journal, router=lab.router, clock=lab.clock)
    manifest = resource()
    manifest["spec"] = lab.plan.document()["spec"]
    world.cluster.apply(manifest)
    world.run(5)
    assert [*world.states] == [lab.plan.id]
    assert world.status()["weight"] is not None
    assert "errors" in json.dumps(world.status())
    assert world.cluster.events
    held = [world.cluster.held, world.cluster.events, world.cluster.patches]
    assert disclosed(json.dumps(held)) == []


def test_no_error_of_reading_tells_them():
    """A histogram without its last bucket, a label that is missing: the words name no value."""
    other = IdentifiedLab(labels={**LABELS, "le": PERSONS[0]})
    other.run(3)
    problems = [f.problems for e in other.journal.read() if isinstance(f := e.fact, Observed)]
    assert problems
    assert disclosed(json.dumps(problems)) == []


def test_no_line_that_the_program_logs_holds_them(caplog):
    caplog.set_level(logging.DEBUG)
    other = live()
    assert other.controller.states
    assert disclosed(caplog.text) == []
