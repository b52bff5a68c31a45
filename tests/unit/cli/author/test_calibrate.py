"""`surefoot calibrate` in words, and what a plan that asks for a calibration does without one."""

from dataclasses import dataclass

import pytest
from click.testing import CliRunner

from rollout.calibrate.draw import recorded
from rollout.calibrate.runs import Calibration
from rollout.cli import surefoot
from rollout.cli.text.calibration import as_document, text, usual_runs
from rollout.decide.record.facts import Calibrated, Started
from rollout.errors import InputError, JournalMovedError
from rollout.explain.entry import sentence
from rollout.journal.memory import MemoryJournal
from rollout.ports import PodHistory
from rollout.wire import doctor_tools
from rollout.wire.controller import record
from tests.support.pods import past_of, pods_plan
from tests.support.worlds import GOOD, Lab, plan

PAST = recorded(pods_plan(), past_of())
ASKING = pods_plan({"requireCalibration": True})


def describe(calibration):
    return text(as_document(PAST, calibration, 1))


def calibrated(rolled_back, rollout=ASKING.id, at=1.0):
    fact = Calibration({"rolled back": rolled_back, "promoted": 1000 - rolled_back}).fact(
        PAST, at, 1
    )
    return fact.model_copy(update={"rollout": rollout})


def test_an_outcome_that_holds_in_words():
    words = describe(
        Calibration({"promoted": 995, "rolled back": 2, "untested": 3}, {"harmful:x": 2})
    )
    assert "2 of 997 replays were rolled back, where nothing was rolled out: " in words
    assert "false rollbacks at most 0.6301 %" in words
    assert "(95 % confidence), declared 1 %: confirmed" in words
    assert "48m of 6 pods, 2 of them as the canary, each replay at most 5m" in words
    assert "995 promoted, 2 rolled back, 3 untested (harmful:x 2)" in words
    assert "only 9 replays fit into this history without overlap" in words
    assert "not recorded; a plan with requireCalibration needs --journal" in words
    assert "next" not in words


@pytest.mark.parametrize(
    ("calibration", "advice"),
    [
        (Calibration({"promoted": 100}), "--runs 1000 or more"),
        (Calibration({"promoted": 900, "rolled back": 100}), "wider margins, a longer history"),
        (Calibration({"untested": 10}), "no replay could be judged"),
    ],
)
def test_what_does_not_hold_comes_with_advice(calibration, advice):
    assert "NOT CONFIRMED" in describe(calibration)
    assert advice in describe(calibration)


@pytest.mark.parametrize(("alpha", "runs"), [(0.01, 1000), (0.05, 200), (0.2, 200), (0.0001, 2000)])
def test_the_usual_number_of_runs(alpha, runs):
    assert usual_runs(alpha) == runs


@dataclass
class FixedHistory:
    """A historian whose past is known."""

    past: PodHistory

    def history(self, ask, now):
        del ask, now
        return self.past


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Run the command on a plan: its result."""
    import yaml

    past = PodHistory(past_of())
    monkeypatch.setattr(doctor_tools, "history_source", lambda _: FixedHistory(past))

    def go(the_plan, *options):
        path = tmp_path / "plan.yaml"
        path.write_text(yaml.safe_dump(the_plan.document()))
        return CliRunner().invoke(surefoot, ["calibrate", str(path), *map(str, options)])

    return go


def test_a_plan_without_pods_is_told_what_to_write(command):
    done = command(plan())
    assert done.exit_code == 2
    assert "declares no pods: name the label of the pod, `pods: {label: pod}`" in (done.output)
    assert "none are found for" in done.output


def test_pods_that_are_found_are_replayed_without_a_declaration(command, monkeypatch):
    past = past_of(pods=8)
    history = PodHistory(past, labels=dict.fromkeys(past, "pod"))
    monkeypatch.setattr(doctor_tools, "history_source", lambda _: FixedHistory(history))
    done = command(plan(), "--runs", 2)
    assert "of 8 pods, 2 of them as the canary" in done.output
    assert "declares no pods: name the label" in command(plan(), "--history", "1h").output
    assert "declares no pods: name the label" in command(plan(pods="none")).output


def test_a_past_that_cannot_be_read_is_bad_input(command, monkeypatch):
    problems = {"errors": "a sample in the past is negative or no cumulative count"}
    monkeypatch.setattr(
        doctor_tools, "history_source", lambda _: FixedHistory(PodHistory(problems=problems))
    )
    done = command(pods_plan())
    assert done.exit_code == 2
    assert isinstance(done.exception, SystemExit | InputError)
    assert "the history of demo cannot be read: a sample in the past is negative" in done.output


@pytest.mark.parametrize("history", ["0s", "1s", "10m"])
def test_a_history_of_too_few_looks_is_bad_input(command, history):
    done = command(pods_plan(), "--history", history)
    assert done.exit_code == 2
    assert "holds fewer than 480 looks of demo: write 16m or more" in done.output


def test_too_few_runs_end_with_1_and_are_recorded_all_the_same(command, tmp_path):
    journal = tmp_path / "new" / "journal.db"
    for number in (1, 2):
        done = command(pods_plan(), "--runs", 2, "--journal", journal)
        assert done.exit_code == 1
        assert f"recorded as entry {number}" in done.output


def test_recording_gives_way_to_others_and_gives_up_after_many(tmp_path, monkeypatch):
    from rollout.journal.sql.store import SqlJournal

    fact, append, tries = calibrated(0), SqlJournal.append, []

    def moving(self, facts, after):
        tries.append(after)
        if len(tries) < 3:
            append(self, [fact], after)
            raise JournalMovedError("moved")
        return append(self, facts, after)

    monkeypatch.setattr(SqlJournal, "append", moving)
    assert record(tmp_path / "j.db", fact).seq == 3

    def never(self, facts, after):
        raise JournalMovedError("moved")

    monkeypatch.setattr(SqlJournal, "append", never)
    with pytest.raises(JournalMovedError, match="try again"):
        record(tmp_path / "j.db", fact)


def lab(*facts):
    journal = MemoryJournal()
    if facts:
        journal.append(facts, 0)
    return Lab(GOOD, plan=ASKING, journal=journal)


def test_a_plan_that_asks_for_a_calibration_does_not_begin_without_one():
    with pytest.raises(InputError, match="requires a calibration and this journal has none"):
        lab()
    with pytest.raises(InputError, match="requires a calibration"):
        lab(calibrated(0, rollout="demo-of-another-digest"))


def test_nor_with_one_that_does_not_hold():
    with pytest.raises(
        InputError, match=r"falseRollback 1 %, its calibration measured up to 1.69 %"
    ):
        lab(calibrated(10))
    with pytest.raises(InputError, match=r"1 %, its calibration measured up to 1.69 %"):
        lab(calibrated(0), calibrated(10, at=2.0))


def test_one_that_does_not_hold_is_heeded_though_the_plan_asks_for_none():
    plain = pods_plan()
    journal = MemoryJournal()
    journal.append([calibrated(10, rollout=plain.id)], 0)
    with pytest.raises(InputError, match="its calibration measured up to"):
        Lab(GOOD, plan=plain, journal=journal)


def test_with_one_that_holds_it_runs_and_the_past_stands_in_the_journal():
    lab_run = lab(calibrated(10), calibrated(1, at=2.0))
    assert lab_run.run().phase == "promoted"
    started = next(fact for fact in lab_run.facts if isinstance(fact, Started))
    assert not started.uncalibrated
    assert "at most 0.4735 %, within the declared 1 %" in sentence(lab_run.facts[1])
    lab_run.restart()
    assert lab_run.state.phase == "promoted"
    assert lab_run.controller.calibrations[ASKING.id].rolled_back == 1


def test_a_person_may_waive_it_and_the_journal_says_so():
    lab_run = Lab(GOOD)
    other = pods_plan({"requireCalibration": True}, service="other")
    (rollout,) = lab_run.controller.start([other], uncalibrated=True)
    started = next(f for f in lab_run.facts if isinstance(f, Started) and f.rollout == rollout)
    assert started.uncalibrated
    assert "--uncalibrated" in sentence(started)
    assert not next(f for f in lab_run.facts if isinstance(f, Started)).uncalibrated


def test_everything_that_reads_a_journal_passes_over_calibrations():
    from rollout.cli.text.live import Follower
    from rollout.decide.fold import fold_all
    from rollout.explain.status import states_of
    from rollout.journal.index import by_rollout

    lab_run = lab(calibrated(0))
    lab_run.run()
    follower = Follower()
    for entry in lab_run.entries:
        follower.feed(entry)
    assert follower.states == states_of(lab_run.entries) == lab_run.controller.states
    assert fold_all((e.seq, e.fact) for e in lab_run.entries) == lab_run.state
    kinds = {e.fact.kind for e in by_rollout(lab_run.entries)[ASKING.id]}
    assert "started" in kinds
    assert "calibrated" not in kinds
    assert isinstance(lab_run.facts[0], Calibrated)
