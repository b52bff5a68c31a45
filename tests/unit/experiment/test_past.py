"""Experiments that no journal holds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import yaml

import rollout
from rollout.errors import InputError, PlanError
from tests.support.worlds import plan

BEGIN = 1_800_000_000.0
LOOKS = 120


@pytest.fixture
def plan_file(tmp_path):
    errors = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "1%"}}
    spec: dict[str, Any] = {"interval": "15s", "prometheus": {"scrape": "15s"}, "deadline": "4h"}
    document = plan(guardrails=[errors], **spec).document()
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def count(errors, share=0.5, seed=3):
    """A frame's rows: 200 requests a look, of which the canary gets a share and fails some."""
    dice, rows = np.random.default_rng(seed), []
    for look in range(LOOKS):
        canary = int(dice.binomial(200, share))
        for version, units, rate in (("v2", canary, errors), ("v1", 200 - canary, 0.01)):
            bad = int(dice.binomial(units, rate))
            rows.append((BEGIN + 15 * look, "errors", version, units, bad))
    return pd.DataFrame(rows, columns=["at", "guardrail", "version", "units", "bad"])


def test_counts_from_elsewhere_are_compared_as_a_rollout_s_are(plan_file):
    frame = count(0.05)
    experiment = rollout.from_frame(frame, plan_file)
    row = experiment.scorecard().iloc[0]
    compared = experiment.rates().query("is_compared")
    sums = compared.groupby("version")[["units", "bad"]].sum()
    assert (row["canary_units"], row["canary_bad"]) == tuple(sums.loc["canary"])
    assert 0.9 * frame.query("version == 'v2'")["units"].sum() < row["canary_units"]
    assert row["verdict"] == "harmful"
    assert experiment.uplift()["conclusion"].item() == "worse"
    assert (experiment.replay()["differs"] == "").all()


def test_each_row_is_counted_once_in_any_library(plan_file):
    frame = count(0.01)
    own = rollout.from_frame(frame, plan_file)
    other = rollout.from_frame(pl.from_pandas(frame), plan_file, frames="polars")
    assert own.scorecard().iloc[0]["verdict"] == other.scorecard()["verdict"][0] == "safe"
    rates = own.rates()
    assert rates["units"].sum() == frame["units"].sum()
    assert rates["bad"].sum() == frame["bad"].sum()


def test_the_rates_of_an_experiment_are_counts_as_well(plan_file):
    own = rollout.from_frame(count(0.01), plan_file)
    again = rollout.from_frame(own.rates(), plan_file)
    assert again.scorecard().equals(own.scorecard())


def test_of_the_rates_of_any_experiment_those_of_histograms_are_blind_and_say_why(good):
    again = rollout.from_frame(good.rates(), good.plan)
    rows = {row["guardrail"]: row for row in again.scorecard().to_dict("records")}
    own = good.rates().query("guardrail == 'errors' and version == 'canary'")["units"].sum()
    assert again.rates().query("version == 'canary'")["units"].sum() == own
    assert rows["errors"]["verdict"] != "blind"
    for name in ("latency", "accuracy"):
        assert rows[name]["verdict"] == "blind"
        assert "holds no histogram" in rows[name]["note"]
    assert "holds no histogram" in repr(again)


def test_no_table_claims_that_a_past_will_be_read_which_a_frame_has_not(plan_file):
    frame = count(0.05)
    single = rollout.from_frame(frame[frame["at"] == BEGIN], plan_file)
    assert single.record.looks_count == 1
    words = " ".join(single.timeline()["sentence"])
    assert "not read yet" not in words
    assert "can read the past" not in words
    assert "not enough" in repr(single)


def test_pairs_are_no_rate_that_a_frame_can_have(plan_file):
    document = yaml.safe_load(plan_file.read_text(encoding="utf-8"))
    margin = {"absolute": "5%"}
    pairs = {"name": "preferred", "pairs": {"series": "summary_pairs_total"}, "margin": margin}
    document["spec"]["guardrails"].append(pairs)
    plan_file.write_text(yaml.safe_dump(document), encoding="utf-8")
    frame = count(0.01).assign(guardrail="preferred")
    with pytest.raises(InputError, match="no row of counts of errors"):
        rollout.from_frame(frame, plan_file)


def test_times_may_have_a_zone_but_must_have_one(plan_file):
    frame = count(0.01)
    frame["at"] = pd.to_datetime(frame["at"], unit="s", utc=True)
    assert rollout.from_frame(frame, plan_file).record.looks_count
    frame["at"] = frame["at"].dt.tz_localize(None)
    with pytest.raises(InputError, match="has no zone"):
        rollout.from_frame(frame, plan_file)
    with pytest.raises(InputError, match="has no zone"):
        rollout.from_prometheus(plan_file, datetime(2026, 1, 1), datetime(2026, 1, 2))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f.drop(columns="bad"), "counts need the columns"),
        (lambda f: f.assign(version="v9"), "no rate 'errors' of version 'v9'"),
        (lambda f: f.assign(guardrail="typo"), "no rate 'typo'"),
        (lambda f: f.assign(bad=0.5), "no whole number"),
        (lambda f: f.assign(units=-1), "no whole number"),
        (lambda f: f.iloc[:0], "no row of counts"),
        (lambda f: f.assign(units=f["units"].astype(str)), "'.*' is no whole number"),
        (lambda f: f.assign(units=float("nan")), "nan is no whole number"),
        (lambda f: f.assign(bad=f["units"] + 1), "errors of v2 at .* bad ones of"),
        (lambda f: pd.concat([f, f.iloc[:1]]), "errors of v2 at .* has two rows"),
        (lambda f: f.assign(at=f["at"] * 1000), "is no time"),
        (lambda f: f.assign(at=pd.NaT), "NaT is no time"),
        (lambda f: f.assign(at="yesterday"), "'yesterday' is no time"),
        (lambda f: f.assign(at=float("nan")), "nan is no time"),
        (lambda f: f.assign(at=None), "None is no time"),
        (lambda f: f.assign(at=datetime(2026, 1, 1, tzinfo=UTC).date()), "is no time"),
        (lambda f: f.to_dict("list"), "a frame of pandas, polars or pyarrow, and no dict"),
        (lambda f: None, "a frame of pandas, polars or pyarrow, and no NoneType"),
    ],
)
def test_what_is_wrong_with_counts_is_said(plan_file, change, words):
    with pytest.raises(InputError, match=words):
        rollout.from_frame(change(count(0.01)), plan_file)


def test_a_plan_may_be_a_document_too(plan_file):
    frame = count(0.05)
    own = rollout.from_frame(frame, plan_file)
    again = rollout.from_frame(frame, yaml.safe_load(plan_file.read_text(encoding="utf-8")))
    assert rollout.from_frame(frame, own.plan).scorecard().equals(own.scorecard())
    assert again.scorecard().equals(own.scorecard())
    with pytest.raises(InputError, match="a file's path or a document, and no NoneType"):
        rollout.from_frame(frame, None)
    with pytest.raises(PlanError, match="plan:1"):
        rollout.from_frame(frame, {"kind": "RolloutPlan"})


def test_times_may_be_texts_in_iso_8601(plan_file):
    frame = count(0.01)
    own = rollout.from_frame(frame, plan_file).scorecard()
    times = pd.to_datetime(frame["at"], unit="s", utc=True).dt.tz_convert("Europe/Berlin")
    texts = frame.assign(at=times.map(lambda at: at.isoformat()))
    assert rollout.from_frame(texts, plan_file).scorecard().equals(own)


def test_a_version_that_served_nothing_is_refused(plan_file):
    frame = count(0.01)
    with pytest.raises(InputError, match="no requests of v2 are recorded"):
        rollout.from_frame(frame[frame["version"] == "v1"], plan_file)


def test_the_end_is_after_the_start(plan_file):
    at = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(InputError, match="the start is before the end"):
        rollout.from_prometheus(plan_file, at, at)


@pytest.mark.parametrize("canary", [10, 300, 99_900])
def test_a_share_between_whole_per_cents_is_neither_none_nor_all(plan_file, canary):
    rows = [
        (BEGIN + 15 * look, "errors", version, units, units // 100)
        for look in range(LOOKS)
        for version, units in (("v2", canary), ("v1", 100_000 - canary))
    ]
    frame = pd.DataFrame(rows, columns=["at", "guardrail", "version", "units", "bad"])
    experiment = rollout.from_frame(frame, plan_file)
    last = experiment.share().iloc[-1]
    assert last["expected"] == pytest.approx(canary / 100_000)
    assert not last["is_mismatch"]
    assert experiment.scorecard()["canary_units"].item() > 50 * canary
    wish = experiment.record.state.explanation.sentence
    assert ("promote" if canary > 50_000 else "advance") in wish


@pytest.mark.parametrize("versions", [[], ["v1"], ["v2"]])
def test_a_metric_that_is_missing_leaves_the_others_compared(plan_file, versions):
    document = yaml.safe_load(plan_file.read_text(encoding="utf-8"))
    words = {"name": "words", "template": "quality/verdict", "margin": {"absolute": "5%"}}
    document["spec"]["guardrails"].append(words)
    plan_file.write_text(yaml.safe_dump(document), encoding="utf-8")
    frame = count(0.05)
    judged = frame[frame["version"].isin(versions)].assign(guardrail="words")
    experiment = rollout.from_frame(pd.concat([frame, judged]), plan_file)
    verdicts = dict(experiment.scorecard()[["guardrail", "verdict"]].itertuples(index=False))
    assert verdicts == {"errors": "harmful", "words": "blind"}
    health = experiment.health().set_index("question")
    assert "blind for" in health["answer"]["words: is anything new counted?"]
    assert "of no journal" in repr(experiment)
