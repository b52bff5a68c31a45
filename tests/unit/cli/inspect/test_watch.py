"""`surefoot watch NAME` follows one rollout of a journal that holds several."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.journal.location import from_words
from rollout.journal.open import open_for_reading

RECORDED = Path(__file__).parents[4] / "notebooks" / "data" / "demo.jsonl"


@pytest.mark.parametrize("name", ["discharge-summarizer-v2", "discharge-summarizer-v3"])
def test_one_of_several_rollouts_is_followed(name):
    run = CliRunner().invoke(surefoot, ["watch", name, "--once", "--journal", str(RECORDED)])
    assert run.exit_code == 0, run.output
    assert name in run.output


def test_a_moment_beyond_the_record_is_refused_with_its_end():
    words = ["watch", "--at", "9999", "--once", "--journal", str(RECORDED)]
    run = CliRunner().invoke(surefoot, words)
    assert run.exit_code == 2
    assert "there is no entry 9,999 yet: the record ends at" in run.output


def test_why_names_both_edges_beside_the_counts_beyond_each():
    """Stable's share beyond the partner edge is what is allowed; its bad units lie beyond ours."""
    decided = [
        entry
        for entry in open_for_reading(from_words(str(RECORDED))).read()
        if entry.fact.kind == "decided" and entry.fact.action == "roll back"
    ]
    run = CliRunner().invoke(surefoot, ["why", str(decided[-1].seq), "--journal", str(RECORDED)])
    assert run.exit_code == 0, run.output
    (line, *_) = (text for text in run.output.splitlines() if "allowed: stable's share" in text)
    assert re.search(r"\(bad: beyond ([\d.]+); allowed: stable's share beyond ([\d.]+)\)", line)
