"""A script asks whether it may go on, and is told by an exit code and a sentence."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot

RECORDED = Path(__file__).parents[4] / "notebooks" / "data" / "demo.jsonl"
GOOD, BAD = "discharge-summarizer-v2", "discharge-summarizer-v3"


def call(*arguments):
    return CliRunner().invoke(surefoot, ["verdict", *arguments, "--journal", str(RECORDED)])


@pytest.mark.parametrize(("name", "answer", "code"), [(GOOD, "go", 0), (BAD, "stop", 4)])
@pytest.mark.parametrize("goal", ["step", "promotion"])
def test_the_exit_code_and_the_sentence_agree(name, answer, code, goal):
    done = call(name, "--for", goal)
    assert done.exit_code == code
    assert done.output.startswith(f"{answer}: ")
    answered = json.loads(call(name, "--for", goal, "--json").output)
    assert (answered["answer"], answered["goal"], answered["name"]) == (answer, goal, name)
    assert done.output == f"{answer}: {answered['why']}\n"


def test_an_unknown_name_is_bad_input_that_names_the_others():
    done = call("typo")
    assert done.exit_code == 2
    assert GOOD in done.output
