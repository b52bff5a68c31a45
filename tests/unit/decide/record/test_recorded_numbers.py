"""Anybody can seal a journal, so what a decision's numbers hold is checked when they are read."""

from __future__ import annotations

import json
import re

import pytest
from click.testing import CliRunner

from analysis.verdict.readout import Readout
from rollout.cli import surefoot
from rollout.decide.record.facts import Decided, parse_fact
from rollout.decide.record.recorded_numbers import check_numbers
from rollout.journal.hash_chain import START, Row, digest
from rollout.journal.jsonl import LinesJournal, to_lines
from tests.support.manifests import ROOT
from tests.unit.page.conftest import pages_of

DATA, GOLDEN = ROOT / "notebooks" / "data", ROOT / "tests" / "golden"
RECORDED = DATA / "demo.jsonl"
ODD = [
    {"guardrails": "errors"},
    {"guardrails": []},
    {"guardrails": {"errors": 1}},
    {"guardrails": {"errors": {"verdict": {"a": 1}}}},
    {"guardrails": {"errors": {"canary": "<b>"}}},
    {"segments": 1},
    {"goals": {"accuracy": {"conclusion": None}}},
    {"exposure": 5},
    {"exposure": {"canary": "a"}},
    {"joint": "a"},
    {"joint": {}},
    {"guardrails": {"errors": {"low": [1]}}},
]


@pytest.mark.parametrize("numbers", ODD, ids=json.dumps)
def test_numbers_of_another_shape_are_no_fact(numbers):
    with pytest.raises(ValueError, match=r"is no mapping|is no number|is no text"):
        check_numbers(numbers)


@pytest.mark.parametrize("path", [*DATA.glob("*.jsonl"), *GOLDEN.glob("*.jsonl")], ids=str)
def test_whatever_was_recorded_fits(path):
    entries = LinesJournal(path).read()
    recorded = [entry.fact for entry in entries if isinstance(entry.fact, Decided)]
    endless = {"joint": "-Infinity", "guardrails": {"a": {"high": "Infinity", "edges": [1]}}}
    for numbers in ({}, endless, *(fact.numbers for fact in recorded)):
        check_numbers(numbers)


def test_numbers_are_read_as_each_of_our_records_names_them():
    """What writes a number or a text under a name has the name here: else nobody could read it."""
    goal = dict.fromkeys(("difference", "better", "worse_of_all", "needed", "low", "canary"), 1.0)
    segment = {"verdict": "undecided", "suppressed": "tells another"}
    check_numbers({
        "observational": True,
        "goals": {"preferred": {"of": "pairs", "conclusion": "better", **goal}},
        "segments": {"a": segment, "b": {"verdict": "safe", "at_least": 20}},
        "guardrails": {"errors": {**vars(Readout()), "verdict": "safe", "reason": ""}},
        "of a later version": {"what": [1, "two"]},
    })  # fmt: skip


def forge(numbers) -> list[Row]:
    """The recording with other numbers in every decision, as a whole chain."""
    rows = [START]
    for row in LinesJournal(RECORDED).rows():
        fact = json.loads(row.text)
        if fact["kind"] == "decided":
            fact["numbers"] = numbers
        text = json.dumps(fact, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        last = rows[-1]
        rows.append(Row(last.seq + 1, text, last.hash, digest(last.hash, last.seq + 1, text)))
    return rows[1:]


@pytest.mark.parametrize("command", [["verify"], ["why", "75"], ["status"], ["log"]], ids=str)
def test_a_forged_recording_ends_each_command_in_words(command, tmp_path):
    forged = tmp_path / "forged.jsonl"
    forged.write_text("\n".join(to_lines(forge({"guardrails": "errors"}))), encoding="utf-8")
    ended = CliRunner().invoke(surefoot, [*command, "--journal", str(forged)])
    assert isinstance(ended.exception, SystemExit), ended.exception
    assert ended.exit_code == 1
    assert re.search(r"entry \d+ holds a fact this version cannot read", ended.output)


def test_a_decision_without_numbers_is_explained(tmp_path):
    bare = tmp_path / "bare.jsonl"
    bare.write_text("\n".join(to_lines(forge({}))), encoding="utf-8")
    ended = CliRunner().invoke(surefoot, ["why", "75", "--journal", str(bare)])
    assert ended.exit_code in {0, 9}, ended.output
    pages = pages_of(bare)
    assert "What decides" in pages.decision(75)
    assert "<h1>Rollouts</h1>" in pages.home()


def test_a_fact_says_where_it_is_odd():
    text = json.dumps({
        "kind": "decided", "rollout": "a", "at": 1.0, "action": "hold",
        "split": {"canary": 0, "total": 100}, "reasons": [], "sentence": "",
        "numbers": {"guardrails": {"errors": []}},
    })  # fmt: skip
    with pytest.raises(ValueError, match=r"guardrails\.errors is no mapping"):
        parse_fact(text)
