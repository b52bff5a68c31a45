"""Every notebook runs in a fresh kernel, on the recorded journal and on a new one."""

import json
import os
import re
import subprocess
import sys

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

import rollout
from rollout.decide.record.facts import Decided
from rollout.journal.hash_chain import START, seal_all
from rollout.journal.jsonl import export
from tests.notebook.execute import DEFAULTS, NOTEBOOKS, ROOT, execute
from tests.support.worlds import BAD, Lab

RECORDING = ROOT / "notebooks" / "data" / "demo.jsonl"
TRIAL = ROOT / "notebooks" / "data" / "experiment.jsonl"
REVIEWS = [path for path in NOTEBOOKS if path.stem[:2] in {"01", "02", "05"}]
"""Notebooks that go through decisions; the others ask what else could be decided."""

AGAIN = "the statistics or the tables have changed: record anew with `make record`"


def outputs(notebook, kind="text/plain"):
    """What the cells show, by cell; pictures and addresses of objects left out."""
    return [
        [
            output["data"][kind]
            for output in cell.get("outputs", ())
            if kind in output.get("data", {})
        ]
        for cell in notebook.cells
    ]


def printed(notebook):
    return "".join(
        output.text
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output.output_type == "stream"
    )


def tables(notebook):
    return [[text for text in cell if not text.startswith("<")] for cell in outputs(notebook)]


def recorded(path, facts):
    export(seal_all(START, facts), path)
    return {**DEFAULTS, "SUREFOOT_JOURNAL": str(path)}


@pytest.fixture(scope="module")
def facts():
    lab = Lab(BAD)
    assert lab.run().phase == "rolled back"
    return lab.facts


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_recorded_journal_shows_what_is_committed(path):
    committed = nbformat.read(path, as_version=4)
    again = execute(path, DEFAULTS)
    assert tables(again) == tables(committed), AGAIN
    pictures = sum(len(cell) for cell in outputs(again, "image/png"))
    assert pictures == sum(len(cell) for cell in outputs(committed, "image/png"))


@pytest.mark.parametrize("path", REVIEWS, ids=lambda path: path.stem)
def test_a_review_shows_decisions_and_that_they_replay(path):
    committed = nbformat.read(path, as_version=4)
    assert any("advance" in text for cell in tables(committed) for text in cell)
    assert "every one is the same" in printed(committed)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_new_journal_is_shown_too(path, facts, tmp_path):
    one_run = ('"--runs", "6"', '"--runs", "1"')  # more of them are the recorded journal's
    executed = execute(path, recorded(tmp_path / "new.jsonl", facts), one_run)
    if path not in REVIEWS:
        return
    decided = [fact.sentence for fact in facts if isinstance(fact, Decided)]
    assert decided[-1] in "".join(text for cell in outputs(executed) for text in cell)


@pytest.mark.parametrize("path", REVIEWS, ids=lambda path: path.stem)
def test_a_well_sealed_lie_is_found_by_the_replay(path, facts, tmp_path):
    index = max(i for i, fact in enumerate(facts) if isinstance(fact, Decided))
    lie = facts[index].model_copy(update={"reasons": ("harmful:accuracy",)})
    with pytest.raises(CellExecutionError, match=r"(?s)another decision now:.*roll back  reasons"):
        execute(path, recorded(tmp_path / "lie.jsonl", [*facts[:index], lie, *facts[index + 1 :]]))


def test_a_folder_that_hides_our_statistics_is_named(tmp_path):
    """A user's own `analysis/` beside the notebook comes first on Python's path."""
    (tmp_path / "analysis").mkdir()
    (tmp_path / "analysis" / "__init__.py").touch()
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    run = subprocess.run(
        [sys.executable, "-c", "import rollout; rollout.read"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "hides Surefoot's package of the same name" in run.stderr
    (tmp_path / "analysis" / "__init__.py").unlink()  # a plain folder hides nothing
    subprocess.run(
        [sys.executable, "-c", "import rollout; rollout.read"],
        cwd=tmp_path, env=environment, check=True,
    )  # fmt: skip


def test_the_recording_holds_a_promotion_and_a_rollback_and_replays():
    experiments = rollout.read(RECORDING)
    assert list(experiments.overview()["outcome"]) == ["promoted", "rolled back"]
    assert all((own.replay()["differs"] == "").all() for own in experiments.values()), AGAIN


def test_the_recorded_experiment_has_a_winner_and_is_recorded_anew_alike(tmp_path):
    from tests.notebook.record import record

    record(tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_text() == TRIAL.read_text(), AGAIN
    (exp,) = rollout.read(TRIAL).values()
    goals = exp.goals()
    assert list(goals[goals["segment"] == ""]["conclusion"]) == ["better", "undecided"]
    assert set(goals[goals["segment"] != ""]["conclusion"]) == {"better"}


def test_what_is_committed_is_small_and_tells_nothing_of_the_machine():
    limits = {RECORDING: 1_000_000, TRIAL: 1_000_000, **dict.fromkeys(NOTEBOOKS, 500_000)}
    for path, most in limits.items():
        text = path.read_text(encoding="utf-8")
        assert len(text) < most
        assert not re.search(r'["\' ]/(home|root|tmp|work|Users)/', text)
        assert "iopub" not in text
    lines = [text for path in (RECORDING, TRIAL) for text in path.read_text("utf-8").splitlines()]
    for line in lines:
        assert json.loads(line)["fact"]["kind"] != "human-said"
