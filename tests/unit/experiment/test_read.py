"""Opening a journal for analysts."""

from __future__ import annotations

import json
from dataclasses import replace

import narwhals
import pytest

import rollout
from rollout.errors import InputError, JournalError
from rollout.experiment.experiment import Experiment
from rollout.journal.hash_chain import START, seal_all
from rollout.journal.jsonl import export
from rollout.journal.sql.store import open_journal
from tests.support.worlds import Lab, plan


@pytest.fixture
def recording(labs: dict[str, Lab], tmp_path):
    path = tmp_path / "two.jsonl"
    export(seal_all(START, [*labs["rolled back"].facts, *labs["promoted"].facts]), path)
    return path


def test_a_rollout_is_found_by_its_id_and_by_its_plans_name(recording):
    experiments = rollout.read(recording)
    (rollout_id,) = experiments
    assert experiments["demo"].record.rollout == experiments[rollout_id].record.rollout
    assert "demo" in experiments
    assert len(experiments) == 1


def test_what_was_looked_at_before_changes_no_card(labs, tmp_path):
    """Others of the same name are named, whether a rollout was opened by name, by id, or listed."""
    other = Lab(plan=plan(interval="4s"))
    other.run(20)
    path = tmp_path / "both.jsonl"
    export(seal_all(START, [*labs["promoted"].facts, *other.facts]), path)
    fresh = rollout.read(path)["demo"]
    assert labs["promoted"].rollout in repr(fresh)
    listed = rollout.read(path)
    assert len(repr(listed).splitlines()) == 2
    assert repr(listed["demo"]) == repr(fresh)
    assert repr(listed[other.rollout]) == repr(fresh)


def test_an_unknown_name_lists_those_that_there_are(recording):
    with pytest.raises(InputError, match="no rollout 'dmo'; known: demo"):
        rollout.read(recording)["dmo"]


def test_a_database_file_is_read_too(labs, tmp_path):
    path = tmp_path / "journal.db"
    journal = open_journal(path)
    journal.append(labs["rolled back"].facts, 0)
    journal.close()
    frame = rollout.read(path).overview()
    assert list(frame["outcome"]) == ["rolled back"]
    assert frame["looks"].item() > 5


@pytest.mark.parametrize("text", ["\ufeff{}\n", "words\n", '{"hash":\n'])
def test_force_is_not_offered_for_what_is_no_journal(tmp_path, text):
    (tmp_path / "own.jsonl").write_text(text, encoding="utf-8")
    with pytest.raises(JournalError) as raised:
        rollout.read(tmp_path / "own.jsonl")
    assert "force" not in str(raised.value)


def test_an_altered_journal_is_opened_by_force_alone_and_says_so(recording):
    lines = recording.read_text().splitlines()
    entry = json.loads(lines[3])
    entry["fact"]["at"] += 1
    recording.write_text("\n".join([*lines[:3], json.dumps(entry), *lines[4:]]))
    with pytest.raises(JournalError, match=r"entry 4 was altered.*force=True"):
        rollout.read(recording)
    forced = rollout.read(recording, force=True)
    assert "NOT VERIFIED: entry 4 was altered" in repr(forced)
    assert "NOT VERIFIED: entry 4 was altered" in repr(forced["demo"])
    assert "NOT VERIFIED" in forced["demo"]._repr_html_()


def test_a_journal_without_a_rollout_says_so(tmp_path):
    path = tmp_path / "new.jsonl"
    path.touch()
    experiments = rollout.read(path)
    assert "no rollout is recorded yet" in repr(experiments)
    assert "no rollout is recorded yet" in experiments._repr_html_()


def test_what_is_there_is_said(tmp_path):
    with pytest.raises(InputError, match="there is no journal at"):
        rollout.read(tmp_path / "none.db")
    with pytest.raises(InputError, match="choose pandas, polars, pyarrow"):
        rollout.read(tmp_path / "none.db", frames="excel")


def lack(*_, **__):
    raise ModuleNotFoundError


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_a_library_that_no_extra_installs_is_named_itself(good, monkeypatch, library):
    """The notebook extra does not bring it, so to install that alone leads nowhere."""
    monkeypatch.setattr(narwhals, "from_dict", lack)
    other = Experiment(good.record, library)
    with pytest.raises(InputError, match=rf"pip install {library} 'surefoot\[notebook\]'"):
        other.scorecard()


def test_a_card_says_what_came_out_with_its_numbers(bad, good):
    text = repr(bad)
    assert bad.record.state.explanation.sentence in text
    assert f"rolled back after {round(bad.record.lasted)}s" in text
    assert "✕ harmful" in text
    assert repr(good).count("✓ safe") == 3
    assert bad.record.state.plan.digest[:16] in text


def test_no_table_and_no_card_has_a_password_or_a_tag(labs):
    from rollout.experiment.experiment import Experiment
    from rollout.review.history import history

    def say_it(entry):
        sentence = "Envoy at http://eve:s3cret@mesh <script>alert(1)</script> does not answer"
        return replace(entry, fact=entry.fact.model_copy(update={"sentence": sentence}))

    entries = [say_it(e) if e.fact.kind == "decided" else e for e in labs["rolled back"].entries]
    experiment = Experiment(history(entries))
    assert "s3cret" not in repr(experiment) + experiment._repr_html_()
    assert "<script" not in experiment._repr_html_()
    assert not experiment.timeline()["sentence"].str.contains("s3cret").any()
