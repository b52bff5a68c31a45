"""A script waits for the end of a rollout and tells by the exit code how it came."""

import json
import shutil
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.decide.record.facts import HumanSaid
from rollout.journal.jsonl import to_lines
from rollout.journal.memory import MemoryJournal
from tests.support.following import CutOffRouter, following_plan
from tests.support.worlds import BAD, GOOD, Lab, plan

RECORDED = Path(__file__).parents[4] / "notebooks" / "data" / "demo.jsonl"
BLIND = {"hold": "20s", "then": "rollback"}


def call(lab: Lab, tmp_path: Path, *arguments: str):
    assert isinstance(lab.journal, MemoryJournal)
    recording = tmp_path / f"{len(list(tmp_path.iterdir()))}.jsonl"
    recording.write_text("\n".join(to_lines(lab.journal.rows())), encoding="utf-8")
    return CliRunner().invoke(
        surefoot, ["wait", "demo", "--journal", str(recording), "--timeout", "1s", *arguments]
    )


def run_to_harm() -> Lab:
    lab = Lab(BAD)
    lab.run()
    return lab


def run_to_deadline() -> Lab:
    lab = Lab(GOOD, plan(deadline="30s", whenInconclusive="rollback", warmup="25s"))
    lab.run()
    return lab


def run_to_blindness() -> Lab:
    lab = Lab(GOOD, plan(whenBlind=BLIND))
    lab.run_until(lambda state: state.stepped)
    lab.world.dark = True
    lab.run()
    return lab


def run_to_abort() -> Lab:
    lab = Lab(GOOD)
    lab.run_until(lambda state: state.stepped)
    at = lab.clock.now()
    lab.controller.note(HumanSaid(rollout=lab.rollout, at=at, command="abort", actor="ops"))
    lab.run()
    return lab


ENDS = {
    run_to_harm: ("harm", 4),
    run_to_abort: ("person", 5),
    run_to_deadline: ("deadline", 6),
    run_to_blindness: ("blind", 7),
}


@pytest.mark.parametrize("run", ENDS, ids=lambda run: run.__name__)
def test_an_end_that_was_not_awaited_has_the_code_of_its_cause(run, tmp_path):
    lab = run()
    cause, code = ENDS[run]
    assert lab.state.phase == "rolled back"
    report = call(lab, tmp_path, "--for", "promoted", "--json")
    assert report.exit_code == code, report.output
    assert json.loads(report.stdout) == {
        "rollout": lab.rollout,
        "awaited": "promoted",
        "reached": False,
        "phase": "rolled back",
        "cause": cause,
        "sentence": lab.state.move.sentence,
        "follows": True,
    }
    for goal in ("rolledback", "decided"):
        assert call(lab, tmp_path, "--for", goal).exit_code == 0


def test_a_promotion_is_no_rollback():
    command = ["wait", "discharge-summarizer-v2", "--journal", str(RECORDED)]
    awaited = CliRunner().invoke(surefoot, [*command, "--for", "promoted"])
    assert awaited.exit_code == 0
    assert awaited.stdout.startswith("discharge-summarizer-v2-35682022 is promoted: Promote v2")
    assert CliRunner().invoke(surefoot, [*command, "--for", "rolledback"]).exit_code == 8


def test_a_rollout_that_goes_on_is_awaited_until_the_time_is_over(tmp_path):
    lab = Lab(GOOD)
    lab.run_until(lambda state: state.stepped)
    waited = call(lab, tmp_path)
    assert (waited.exit_code, waited.stdout) == (124, "")
    assert f"{lab.rollout} is stepping: {lab.decisions[-1].sentence}" in waited.stderr


def test_a_pause_is_told_by_its_own_sentence(tmp_path):
    lab = Lab(GOOD, plan(authority="advance"))
    lab.run_until(lambda state: state.phase == "paused")
    waited = call(lab, tmp_path)
    assert waited.exit_code == 124
    assert lab.state.pause is not None
    assert f"{lab.rollout} is paused: {lab.state.pause.sentence}" in waited.stderr
    assert "surefoot resume, promote or abort demo" in waited.stderr, "what to do next"


def test_a_rollout_that_has_not_started_is_awaited_within_the_timeout(tmp_path):
    waited = call(Lab(GOOD, plan("other")), tmp_path)
    assert waited.exit_code == 124
    assert "no rollout of the name 'demo' has started; known: other" in waited.stderr


def test_without_a_timeout_an_unknown_name_is_bad_input():
    waited = CliRunner().invoke(surefoot, ["wait", "x", "--journal", str(RECORDED)])
    assert (waited.exit_code, waited.stdout) == (2, "")
    assert "known: discharge-summarizer-v2, discharge-summarizer-v3" in waited.stderr


def test_an_end_that_traffic_does_not_follow_has_a_code_of_its_own(tmp_path):
    lab = Lab(BAD, following_plan(), router=(router := CutOffRouter()))
    lab.run_until(lambda state: state.split.canary > 0)
    router.stays_at = lab.state.split.share
    lab.run()
    assert lab.state.phase == "rolled back"
    waited = call(lab, tmp_path, "--for", "rolledback")
    assert waited.exit_code == 3
    assert "does not follow" in waited.stdout


def test_a_journal_that_is_made_meanwhile_is_awaited(tmp_path):
    late = tmp_path / "late.jsonl"
    whole = shutil.copy(RECORDED, tmp_path / "whole.jsonl")
    maker = threading.Timer(0.7, lambda: Path(whole).rename(late))
    maker.start()
    command = ["wait", "discharge-summarizer-v2", "--journal", str(late), "--timeout", "60s"]
    waited = CliRunner().invoke(surefoot, command)
    maker.join()
    assert waited.exit_code == 0, waited.output


def test_a_journal_that_never_comes_is_bad_input(tmp_path):
    command = ["wait", "x", "--journal", str(tmp_path / "none.db"), "--timeout", "1s"]
    assert CliRunner().invoke(surefoot, command).exit_code == 2
