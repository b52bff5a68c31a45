"""Two plans are named by file, rollout, name or digest."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.explain.status import states_of
from rollout.journal.jsonl import LinesJournal

ROOT = Path(__file__).parents[4]
RECORDED = ROOT / "notebooks" / "data" / "demo.jsonl"
GOOD, BAD = "discharge-summarizer-v2", "discharge-summarizer-v3"


def call(*arguments):
    return CliRunner().invoke(surefoot, ["diff", *arguments, "--journal", str(RECORDED)])


@pytest.fixture(scope="module")
def digests():
    states = states_of(LinesJournal(RECORDED).read()).values()
    return {state.plan.name: state.plan.digest for state in states}


def test_names_rollouts_and_digests_mean_the_same_plans(digests):
    by_name = call(GOOD, BAD)
    assert by_name.exit_code == 0
    assert 'spec.canary.version: "v2" -> "v3"' in by_name.output
    assert call(digests[GOOD][:8], digests[BAD]).output == by_name.output
    assert call(f"{GOOD}-{digests[GOOD][:8]}", BAD).output == by_name.output
    changes = json.loads(call(GOOD, BAD, "--json").output)["changes"]
    assert {"path": "spec.canary.version", "old": "v2", "new": "v3"} in changes
    assert call(GOOD, digests[GOOD]).output == "the plans are the same\n"


def test_a_file_is_compared_with_what_is_recorded():
    example = str(ROOT / "manifests" / "examples" / "01-envoy-local.yaml")
    assert call(GOOD, example).exit_code == 0
    assert call(example, example).output == "the plans are the same\n"


@pytest.mark.parametrize("name", ["typo", "abc", "0000000", "none.yaml"])
def test_what_is_not_there_is_bad_input(name):
    assert call(GOOD, name).exit_code == 2
