"""`surefoot simulate`: what it prints, and how it ends."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.tick import deliver


def _run(*args):
    return CliRunner().invoke(surefoot, ["simulate", *args])


def test_a_story_that_keeps_every_promise_ends_with_0():
    result = _run("--story", "canary=dead", "--seed", "1")
    assert result.exit_code == 0, result.output
    assert "every promise held" in result.output


def test_json_has_what_was_held():
    document = json.loads(_run("--story", "canary=perfect kill@3:4", "--json").output)
    assert (document["stories"], document["faults"], document["broken"]) == (1, {"kill": 1}, [])


def test_a_broken_promise_ends_with_1_and_the_command_that_repeats_it(monkeypatch):
    monkeypatch.setattr(deliver, "write_id", lambda rollout, _state: f"{rollout}/1")
    result = _run("--story", "mesh=gateway watch-lag@2:5", "--seed", "4")
    assert result.exit_code == 1
    assert "surefoot simulate --seed 4 --story ''" in result.output
    assert "BROKEN I2" in result.output


@pytest.mark.parametrize(
    "args", [("--story", "odd"), ("--story", "kill@1", "--stories", "2"), ("--stories", "0")]
)
def test_bad_input_ends_with_2(args):
    assert _run(*args).exit_code == 2


def test_settings_events_and_promises_are_listed():
    output = _run("--list").output
    assert "canary=same|perfect" in output
    assert "kill@SECOND" in output
    assert "I11" in output
