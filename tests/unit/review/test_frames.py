"""The data frames behind the charts."""

import math
from dataclasses import replace

import pandas as pd
import pytest

from rollout.decide.record.facts import Decided
from rollout.review import frames
from rollout.review.history import history
from tests.support.worlds import BAD, Lab


@pytest.fixture(scope="module")
def lab():
    lab = Lab(BAD)
    lab.run()
    return lab


@pytest.fixture(scope="module")
def recorded(lab):
    return history(lab.entries)


@pytest.fixture(scope="module")
def blank(lab):
    return history(lab.entries[:1])


def test_overview(recorded):
    (row,) = frames.overview([recorded]).itertuples()
    assert (row.Index, row.stable, row.canary, row.outcome) == (
        recorded.rollout,
        "v1",
        "v2",
        "rolled back",
    )
    assert (row.started, row.lasted) == (
        pd.Timestamp("2027-01-15 08:00", tz="UTC"),
        recorded.lasted,
    )


def test_decisions_are_those_of_the_journal(lab, recorded):
    frame = frames.decisions(recorded)
    assert list(frame["sentence"]) == [fact.sentence for fact in lab.decisions]
    assert list(frame["to"]) == [fact.split.share for fact in lab.decisions]
    assert [lab.entries[seq - 1].fact for seq in frame.index] == lab.decisions
    assert (frame["at"] - frame["at"].iloc[0]).dt.total_seconds().max() <= recorded.lasted


def test_no_frame_has_a_password(lab):
    def say_it(entry):
        sentence = "Envoy at http://eve:s3cret@mesh does not answer"
        return replace(entry, fact=entry.fact.model_copy(update={"sentence": sentence}))

    entries = [say_it(e) if isinstance(e.fact, Decided) else e for e in lab.entries]
    frame = frames.decisions(history(entries))
    assert set(frame["sentence"]) == {"Envoy at http://eve:***@mesh does not answer"}


def test_weights_end_with_the_rollout(recorded):
    frame = frames.weights(recorded)
    assert list(frame["share"]) == [0.0, 0.05, 0.25, 0.0, 0.0][-len(frame) :]
    assert frame["seconds"].iloc[-1] == recorded.lasted


def test_evidence_has_a_column_per_line_and_a_row_per_look(recorded):
    harm, proof = frames.harm(recorded), frames.proof(recorded)
    assert list(harm) == ["errors", "latency", "accuracy", frames.CRASH, frames.MEAN]
    assert list(proof) == ["errors", "latency", "accuracy"]
    assert list(harm[frames.MEAN]) == [look.log10_mean for look in recorded.looks]
    assert list(harm.index) == list(proof.index) == [look.seconds for look in recorded.looks]
    assert math.isnan(proof["accuracy"].iloc[0])
    assert {str(kind) for kind in proof.dtypes} == {"float64"}


def test_an_interval_stays_at_one_edge(recorded):
    last = {reading.guardrail: reading for reading in recorded.looks[-1].readings}
    for name, words in (("errors", "share of bad requests"), ("latency", "share above")):
        frame = frames.interval(recorded, name)
        assert len(set(frame["words"])) == 1
        assert frame["words"].iloc[-1].startswith(words)
        assert frame["high"].iloc[-1] == last[name].readout.high
    other = next(e for e in last["latency"].edges if e.edge != last["latency"].readout.edge)
    assert frames.interval(recorded, "latency", other.edge)["low"].iloc[-1] == other.low


def test_the_scorecard_is_the_last_word(recorded):
    frame = frames.scorecard(recorded)
    assert list(frame.index) == ["errors", "latency", "accuracy"]
    assert list(frame["verdict"]) == [reading.verdict for reading in recorded.looks[-1].readings]
    assert frame.loc["errors", "canary_bad"] == recorded.looks[-1].readings[0].readout.canary_bad


def test_readings_are_complete(recorded):
    frame = frames.readings(recorded)
    assert len(frame) == 3 * len(recorded.looks)
    assert set(frame["verdict"]) <= {"safe", "harmful", "undecided", "blind"}


def test_a_replay_names_every_look_and_every_decision(lab, recorded):
    frame = frames.replay([recorded])
    assert (frame["differs"] == "").all()
    assert (frame["recorded"] == frame["replayed"]).all()
    assert list(frame["id"].dropna()) == [
        entry.seq for entry in lab.entries if entry.fact in lab.decisions
    ]


def test_a_rollout_that_has_only_begun_has_empty_frames(blank):
    assert len(frames.decisions(blank)) == len(frames.harm(blank)) == 0
    assert len(frames.proof(blank)) == len(frames.readings(blank)) == 0
    assert len(frames.scorecard(blank)) == len(frames.replay([blank])) == 0
    assert "high" in frames.interval(blank, "errors")
    assert list(frames.weights(blank)["share"]) == [0.0, 0.0]
    assert len(frames.overview([])) == 0
