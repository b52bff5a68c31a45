"""The tables of an experiment: they show the numbers that the controller acted on."""

from __future__ import annotations

import math
from typing import get_args

import pandas as pd
import pytest

from rollout.decide.record.facts import Decided
from rollout.errors import InputError
from rollout.experiment.experiment import Experiment
from rollout.experiment.frame import Library, to_frame
from rollout.experiment.tables.evidence import CRASH, TOGETHER
from rollout.experiment.tables.timeline import WeightRow
from tests.support.experiments import TABLES


@pytest.mark.parametrize("table", TABLES)
def test_no_number_of_any_world_is_a_nan(any_experiment, table):
    frame = getattr(any_experiment, table)()
    for column in frame.select_dtypes("number"):
        assert not any(isinstance(cell, float) and math.isnan(cell) for cell in frame[column])


@pytest.mark.parametrize("table", TABLES)
def test_a_rollout_that_has_only_begun_has_every_column(begun, good, table):
    blank, full = (getattr(own, table)() for own in (begun, good))
    assert list(blank) == list(full)
    assert list(blank.dtypes) == list(full.dtypes)


@pytest.mark.parametrize("frames", ["polars", "pyarrow"])
@pytest.mark.parametrize("table", TABLES)
def test_other_libraries_have_the_same_cells(bad, frames, table):
    other = getattr(Experiment(bad.record, frames), table)()
    rows = other.to_dicts() if frames == "polars" else other.to_pylist()
    own = getattr(bad, table)()
    expected = [
        {name: None if pd.isna(cell) else cell for name, cell in row.items()}
        for row in own.astype(object).to_dict("records")
    ]
    assert rows == expected


def test_the_scorecard_is_the_last_word(any_experiment):
    frame = any_experiment.scorecard().set_index("guardrail")
    looks = any_experiment.record.looks
    last = {reading.guardrail: reading for reading in looks[-1].readings}
    if any_experiment.record.state.phase == "rolled back":
        assert list(frame["verdict"]) == [reading.verdict for reading in last.values()]
    for name, reading in last.items():
        readout = reading.readout
        assert frame.loc[name, "canary_bad"] == readout.canary_bad
        assert frame["harm"][name] == pytest.approx(readout.harm)


def test_counts_of_compared_looks_add_up_to_the_scorecard(any_experiment):
    rates, card = any_experiment.rates(), any_experiment.scorecard().set_index("guardrail")
    compared = rates[rates["is_compared"]]
    sums = compared.groupby(["guardrail", "version"])[["units", "bad"]].sum()
    for (guardrail, version), row in sums.iterrows():
        if guardrail == "errors":
            assert row["units"] == card.loc[guardrail, f"{version}_units"]
            assert row["bad"] == card.loc[guardrail, f"{version}_bad"]
        if version == "canary":  # a histogram's edges are chosen some looks later
            test = any_experiment.record.states[-1].guardrails[guardrail].test
            assert row["units"] == test.canary_units >= card.loc[guardrail, "canary_units"]


def test_buckets_add_up_and_hold_every_quantile(good):
    buckets, quantiles = good.distributions(), good.quantiles()
    for (_, _), group in buckets.groupby(["guardrail", "version"]):
        assert group["share"].sum() == pytest.approx(1.0)
        assert group["share_up_to"].iloc[-1] == 1.0
    for row in quantiles.itertuples():
        own = buckets[(buckets.guardrail == row.guardrail) & (buckets.version == row.version)]
        below = own[own["up_to"] == row.above]["share_up_to"].sum() if row.above is not pd.NA else 0
        assert below < row.quantile <= own[own["above"].eq(row.above)]["share_up_to"].max()


def test_the_timeline_has_every_decision_in_its_words(labs, bad):
    frame = bad.timeline()
    decided = frame[frame["reasons"] != ""]
    assert list(decided["sentence"]) == [fact.sentence for fact in labs["rolled back"].decisions]
    assert list(decided["entry"]) == [
        e.seq for e in labs["rolled back"].entries if isinstance(e.fact, Decided)
    ]


def test_the_evidence_is_that_of_the_looks(bad):
    frame = bad.evidence()
    together = frame[frame["guardrail"] == TOGETHER]
    assert list(together["log10_harm"]) == [look.log10_mean for look in bad.record.looks]
    assert together["log10_harm"].iloc[-1] >= together["log10_harm_needed"].iloc[-1]
    assert set(frame["guardrail"]) == {"errors", "latency", "accuracy", CRASH, TOGETHER}


def test_the_last_interval_is_the_one_that_decided(good):
    frame, looks = good.intervals(), good.record.looks
    last = frame[frame["seconds"] == looks[-1].seconds]
    for reading in looks[-1].readings:
        own = last[(last["guardrail"] == reading.guardrail) & last["decides"]]
        assert own["high"].item() == reading.readout.high
        assert own["what"].item().startswith("share ")


def test_as_recorded_is_what_was_recorded(any_experiment):
    frame = any_experiment.sensitivity()
    own = frame[frame["case"] == "as recorded"].set_index("guardrail")
    card = any_experiment.scorecard().set_index("guardrail")
    for name in card.index:
        for column in ("difference", "low", "high"):
            left, right = own[column][name], card[column][name]
            assert (left is pd.NA) == (right is pd.NA)
            if left is not pd.NA:
                assert left == pytest.approx(right, rel=1e-9)


def test_each_part_that_is_left_out_is_left_out_once(good):
    frame = good.sensitivity()
    own = frame[(frame["guardrail"] == "errors") & frame["case"].str.startswith("without")]
    whole = good.scorecard().set_index("guardrail").loc["errors", "canary_units"]
    assert len(own) == 4
    assert (whole - own["canary_units"]).sum() == whole


def test_the_recorded_plan_concludes_as_recorded(any_experiment):
    for row in any_experiment.what_if().itertuples():
        assert row.recorded_seconds is row.seconds or row.recorded_seconds == row.seconds


def test_a_stricter_plan_concludes_later_and_a_laxer_one_earlier(good):
    strict = good.what_if(beta=0.001)["seconds"].iloc[1]
    lax = good.what_if(beta=0.3)["seconds"].iloc[1]
    recorded = good.what_if()["recorded_seconds"].iloc[1]
    assert lax < recorded
    assert strict is pd.NA or strict >= recorded


def test_another_limit_changes_its_guardrail_alone(bad):
    frame = bad.what_if(margins={"errors": {"absolute": "50%"}, "latency": "900%"})
    assert frame["note"].iloc[0] in {"the other plan later", "only the recorded plan reaches it"}


def test_a_number_is_the_limit_in_the_form_that_the_plan_has(bad):
    whole = bad.plan["spec"]["guardrails"]
    for share in (0.5, "50%"):
        other = bad.what_if(margins={"errors": share, "latency": 9})
        assert other.equals(bad.what_if(margins={"errors": {"absolute": "50%"}, "latency": "900%"}))
    margin = {"than": "250ms", "margin": {"ratio": 1.0, "absolute": 0.05}}
    edge = {**next(own for own in whole if own["name"] == "latency"), "slower": margin}
    del edge["tolerance"]
    others = [own for own in whole if own["name"] != "latency"]
    document = {**bad.plan, "spec": {**bad.plan["spec"], "guardrails": [*others, edge]}}
    assert len(bad.what_if(plan=document))


@pytest.mark.parametrize("margins", [5, "2%", ["errors"]])
def test_margins_are_by_guardrail(bad, margins):
    with pytest.raises(InputError, match="margins are limits by guardrail"):
        bad.what_if(margins=margins)


@pytest.mark.parametrize("plan", [5, [], 2.5])
def test_a_plan_is_a_file_or_a_document(bad, plan):
    with pytest.raises(InputError, match="a plan is a file's path or a document"):
        bad.what_if(plan=plan)


@pytest.mark.parametrize("runs", [0, -1, 1.5, "many"])
def test_an_a_a_test_is_run_a_whole_number_of_times(good, runs):
    with pytest.raises(InputError, match="a whole number of times"):
        good.aa(runs)


def test_a_plan_that_says_nothing_of_the_record_is_refused_in_words(bad, tmp_path):
    with pytest.raises(InputError, match="no guardrail 'error'; it has accuracy, errors, latency"):
        bad.what_if(margins={"error": "1%"})
    with pytest.raises(InputError, match="cannot be judged by this plan"):
        bad.what_if(plan={"spec": {}})
    with pytest.raises(InputError, match="either a whole plan"):
        bad.what_if(alpha=0.1, plan={})
    with pytest.raises(InputError):
        bad.what_if(plan=tmp_path / "none.yaml")


def test_more_units_find_less_harm(good):
    frame = good.power()
    for _, own in frame.groupby("guardrail"):
        now, deadline = own["least_times"]
        assert 1 <= deadline <= now
    words = frame.set_index(["guardrail", "by"])["words"]
    assert "a canary like stable needs about" in words["errors", "now"]


def test_what_half_of_all_rollouts_find_is_found_by_half_of_them(good):
    """The share that is said to be found, in looks with random counts of it."""
    import numpy as np

    from analysis.counting.counts import Counts
    from rollout.experiment.tables.retest import find_fresh_tests, list_compared

    row = good.power().set_index(["guardrail", "by"]).loc["errors", "now"]
    looks = [units.counts for units in list_compared(good.record) if units.guardrail == "errors"]
    dice, flagged, runs = np.random.default_rng(7), 0, 200
    needed = -math.log(good.record.alpha / 3)
    for _ in range(runs):
        test = find_fresh_tests(good.record)["errors"]
        for counts in looks:
            bad = dice.binomial(
                [counts.canary_exposures, counts.stable_exposures],
                [row["least_share"], row["stable_share"]],
            )
            test = test.update(
                Counts(
                    (counts.canary_exposures, int(bad[0])), (counts.stable_exposures, int(bad[1]))
                )
            )
        flagged += test.logs.harm >= needed
    assert 0.3 < flagged / runs < 0.7


def test_stable_against_itself_is_seldom_rolled_back(good):
    row = good.aa(60, seed=3).iloc[0]
    assert (row["runs"], row["declared"]) == (60, 0.01)
    assert row["rolled_back"] <= 2
    assert row["bound"] > row["share"]
    assert good.aa(60, seed=3).equals(good.aa(60, seed=3))


def test_what_needs_a_look_says_so(begun):
    row = begun.aa().iloc[0]
    assert (row["runs"], row["share"], row["bound"]) == (0, pd.NA, pd.NA) or row["share"] is None
    assert row["note"] == "not enough: no look has compared both versions"
    assert set(begun.scorecard()["note"]) == {
        "not enough: no look after the warm-up had units of both versions"
    } or all("no " in note for note in begun.scorecard()["note"])
    assert set(begun.power()["words"]) == {"not enough: no look has compared both versions"}


def test_a_replay_names_every_look_and_every_decision(labs, bad):
    frame = bad.replay()
    assert (frame["differs"] == "").all()
    assert (frame["recorded"] == frame["replayed"]).all()
    assert list(frame["entry"].dropna()) == [
        entry.seq for entry in labs["rolled back"].entries if isinstance(entry.fact, Decided)
    ]


def test_the_share_of_traffic_is_a_number_with_its_boundary(good):
    frame = good.share()
    last = frame[frame["of"] == "requests"].iloc[-1]
    tally = good.record.state.traffic_tally
    assert (last["units"], last["canary"]) == (tally.requests, tally.canary)
    assert last["needed"] == pytest.approx(3.0)
    assert not frame["is_mismatch"].any()


def test_health_tells_of_a_version_that_does_not_report(labs):
    from rollout.review.history import history

    silent = Experiment(history(labs["a canary that never answers"].entries))
    frame = silent.health().set_index("question")
    assert frame.loc["errors: do both versions report?", "status"] == "attention"


@pytest.mark.parametrize("library", get_args(Library))
def test_zero_has_no_sign_in_any_frame(library):
    frame = to_frame([WeightRow(seconds=-0.0, share=-0.0)], WeightRow, library)
    (row,) = frame.to_pylist() if library == "pyarrow" else [*frame["share"]]
    share = row["share"] if library == "pyarrow" else row
    assert math.copysign(1, share) == 1
