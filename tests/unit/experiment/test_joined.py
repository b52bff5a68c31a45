"""Data of units that an analyst joins: tea-tasting's results, held against independent ones."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
import tea_tasting as tt
from scipy import stats

from rollout.errors import InputError
from rollout.experiment.experiment import Experiment
from rollout.review.history import history
from tests.support.worlds import Lab, plan

SAME = 1e-9  # relative


@pytest.fixture(scope="module")
def units():
    """Users' requests of both versions: words of the answer, and of the one before."""
    dice = np.random.default_rng(3)
    count = 4000
    user = dice.integers(0, 600, count)
    version = np.where(user % 2 == 0, "v1", "v2")
    before = dice.normal(200, 40, 600)[user] + dice.normal(0, 10, count)
    words = before + dice.normal(0, 15, count) + 3 * (version == "v2")
    failed = dice.binomial(1, np.where(version == "v2", 0.04, 0.06))
    calls = dice.integers(1, 4, count)
    return pd.DataFrame(
        {
            "version": version,
            "user": user,
            "words": words,
            "before": before,
            "failed": failed,
            "calls": calls,
        }
    )


def arms(units, column):
    return (units[units.version == arm][column].to_numpy() for arm in ("v1", "v2"))


def joined(good, units, **metrics):
    rows = good.join(units, metrics)
    return {row["metric"]: row for row in rows.to_dict("records")}


def test_a_mean_is_compared_as_welch_does(good, units):
    row = joined(good, units, words=tt.Mean("words"))["words"]
    stable, canary = arms(units, "words")
    welch = stats.ttest_ind(canary, stable, equal_var=False)
    low, high = welch.confidence_interval(0.95)
    assert row["p_value"] == pytest.approx(welch.pvalue, rel=SAME)
    assert row["difference"] == pytest.approx(canary.mean() - stable.mean(), rel=SAME)
    assert (row["low"], row["high"]) == (
        pytest.approx(low, rel=SAME),
        pytest.approx(high, rel=SAME),
    )
    assert row["holds"] == "asked once"


def test_two_shares_are_compared_as_pearson_does(good, units):
    metric = tt.Proportion("failed", method="pearson", correction=False)
    row = joined(good, units, failed=metric)["failed"]
    table = [[own.sum(), len(own) - own.sum()] for own in arms(units, "failed")]
    assert row["p_value"] == pytest.approx(
        stats.chi2_contingency(table, correction=False).pvalue, rel=SAME
    )


def test_a_ratio_has_the_delta_methods_variance(good, units):
    row = joined(good, units, per_call=tt.RatioOfMeans("failed", "calls", use_t=False))["per_call"]
    ratios, variances = [], []
    for x, y in zip(arms(units, "failed"), arms(units, "calls"), strict=True):
        ratio, (vx, vxy, vy) = x.mean() / y.mean(), np.cov(x, y)[np.triu_indices(2)]
        ratios.append(ratio)
        variances.append((vx - 2 * ratio * vxy + ratio**2 * vy) / y.mean() ** 2 / len(x))
    z = (ratios[1] - ratios[0]) / np.sqrt(sum(variances))
    assert row["difference"] == pytest.approx(ratios[1] - ratios[0], rel=SAME)
    assert row["p_value"] == pytest.approx(2 * stats.norm.sf(abs(z)), rel=SAME)


def test_a_covariate_takes_its_part_of_the_variance_away(good, units):
    rows = joined(good, units, plain=tt.Mean("words"), cuped=tt.Mean("words", "before"))
    before, words = units.before.to_numpy(), units.words.to_numpy()
    theta = np.cov(before, words)[0, 1] / np.var(before, ddof=1)
    adjusted = words - theta * (before - before.mean())
    is_canary = (units.version == "v2").to_numpy()
    welch = stats.ttest_ind(adjusted[is_canary], adjusted[~is_canary], equal_var=False)
    cuped, plain = rows["cuped"], rows["plain"]
    difference = adjusted[is_canary].mean() - adjusted[~is_canary].mean()
    assert cuped["difference"] == pytest.approx(difference, rel=SAME)
    assert cuped["low"] == pytest.approx(welch.confidence_interval(0.95).low, rel=SAME)
    assert cuped["high"] - cuped["low"] < 0.6 * (plain["high"] - plain["low"])


def test_ranks_are_compared_as_mann_and_whitney_do(good, units):
    row = joined(good, units, ranks=tt.MannWhitneyU("words"))["ranks"]
    stable, canary = arms(units, "words")
    assert row["p_value"] == pytest.approx(stats.mannwhitneyu(canary, stable).pvalue, rel=SAME)


def test_the_share_of_units_is_held_against_the_weight(units):
    lab = Lab(plan=plan(ramp={"steps": ["50%"], "bake": "8s"}))
    lab.run()
    rows = Experiment(history(lab.entries)).join(units, {"words": tt.Mean("words")})
    row = next(row for row in rows.to_dict("records") if row["metric"] == "share of units")
    stable, canary = (len(own) for own in arms(units, "words"))
    z = (abs(canary - stable) / 2 - 0.5) / np.sqrt((canary + stable) / 4)  # continuity corrected
    assert row["p_value"] == pytest.approx(2 * stats.norm.sf(z), rel=SAME)


def test_units_of_one_user_are_added_up_first(good, units):
    rows = good.join(units, {"per": tt.RatioOfMeans("failed", "calls")}, user="user")
    row = rows.to_dict("records")[0]
    assert row["stable_units"] + row["canary_units"] == units.user.nunique()


def test_a_covariate_of_a_user_is_taken_once(good):
    """A version that makes users ask more often must not explain itself away."""
    dice = np.random.default_rng(4)
    rows = []
    for user in range(400):
        before, version = dice.normal(200, 40), ("v1", "v2")[user % 2]
        count = 10 + 2 * (user % 2)  # the canary's users send a fifth more requests
        rows += [
            (version, user, before + dice.normal(0, 15), before, dice.random() < 0.1)
            for _ in range(count)
        ]
    frame = pd.DataFrame(rows, columns=["version", "user", "words", "before", "failed"])
    metrics = {
        "words": tt.Mean("words", "before"),
        "failed": tt.RatioOfMeans("failed", "units"),
    }
    table = good.join(frame, metrics, user="user").set_index("metric")
    assert table.loc["words", "difference"] == pytest.approx(400, rel=0.1)  # 2 requests of 200
    assert table.loc["failed", "stable"] == pytest.approx(0.1, rel=0.2)


def test_no_cell_is_quoted_in_an_error(good, units):
    odd = units.astype({"words": object})
    odd.loc[0, "words"] = "ann@example.org"
    with pytest.raises(InputError) as caught:
        good.join(odd, {"ranks": tt.MannWhitneyU("words")})
    assert "ann@example.org" not in f"{caught.value} {caught.value.__cause__}"
    assert caught.value.__suppress_context__


def test_units_without_a_user_are_left_out_and_counted(good, units):
    some = units.astype({"user": "Int64"})
    some.loc[some.index[:5], "user"] = pd.NA
    rows = good.join(some, {"words": tt.Mean("words")}, user="user")
    assert rows["note"][0] == "5 units without a user left out"


def test_users_of_both_versions_are_left_out_and_counted(good, units):
    mixed = units.copy()
    mixed.loc[mixed.index[:1], "version"] = "v1" if mixed.version[0] == "v2" else "v2"
    rows = good.join(mixed, {"words": tt.Mean("words")}, user="user")
    assert rows["note"][0] == "1 users met both versions and are left out"


def test_polars_gives_the_same(good, units):
    metrics = {"words": tt.Mean("words")}
    pandas, polars = good.join(units, metrics), good.join(pl.from_pandas(units), metrics)
    assert polars["difference"][0] == pytest.approx(pandas["difference"][0], rel=SAME)


def test_the_controllers_goals_stand_beside_it():
    goals = [{"guardrail": "errors"}]
    lab = Lab(plan=plan(goals=goals))
    lab.run()
    frame = pd.DataFrame({"version": ["v1", "v2"] * 20, "words": range(40)})
    rows = Experiment(history(lab.entries)).join(frame, {"words": tt.Mean("words")})
    assert list(rows["source"]) == ["units", "controller"]
    assert list(rows["holds"]) == ["asked once", "at every look"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": "arm"}, "there is no column `arm`: version, user"),
        ({"user": "patient"}, "there is no column `patient`"),
    ],
)
def test_a_missing_column_is_named(good, units, change, words):
    with pytest.raises(InputError, match=words):
        good.join(units, {"words": tt.Mean("words")}, **change)


def test_a_missing_version_is_named(good, units):
    with pytest.raises(InputError, match="no unit is of v2"):
        good.join(units[units.version == "v1"], {"words": tt.Mean("words")})


MISSING = {"a NaN": np.nan, "an infinity": np.inf}


def lose(units, column, value):
    """Every second unit's value of a column."""
    own = units.astype({column: float})
    own.loc[own.index % 2 == 0, column] = value
    return own


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize("value", MISSING.values(), ids=MISSING)
@pytest.mark.parametrize("column", ["words", "before"])
def test_a_unit_without_a_value_is_no_unit_of_that_metric(good, units, frame, value, column):
    metrics = {"adjusted": tt.Mean("words", "before"), "failed": tt.Mean("failed")}
    lacking = frame(lose(units, column, value).to_dict("list"))
    row, other = good.join(lacking, metrics).to_dict("records")[:2]
    complete = joined(good, units[units.index % 2 == 1], **metrics)["adjusted"]
    assert {**row, "note": ""} == pytest.approx({**complete, "note": ""}, rel=SAME, nan_ok=True)
    assert row["note"].startswith("units without words or before left out: ")
    assert row["stable_units"] + row["canary_units"] == len(units) // 2
    assert (other["stable_units"] + other["canary_units"], other["note"]) == (len(units), "")


def test_a_missing_value_is_no_zero_in_a_users_sum(good, units):
    metrics = {"words": tt.RatioOfMeans("words", "units")}
    complete = units[units.index % 2 == 1]
    row = good.join(lose(units, "words", np.nan), metrics, user="user").iloc[0]
    same = good.join(complete, metrics, user="user").iloc[0]
    assert row["stable"] == pytest.approx(same["stable"], rel=SAME)
    assert row["low"] == pytest.approx(same["low"], rel=SAME)


def test_a_user_of_both_versions_is_left_out_though_one_values_are_missing(good, units):
    twice = pd.concat([units, units.assign(version="v1", words=np.nan)])
    metrics = {"words": tt.Mean("words")}
    row = good.join(twice[twice.user > 1], metrics, user="user").iloc[0]
    assert row["canary_units"] == 0
    assert "met both versions" in row["note"]


def test_a_user_without_a_covariate_is_counted(good, units):
    own = units.assign(before=units.before.where(units.user > 9))
    row = good.join(own, {"adjusted": tt.Mean("words", "before")}, user="user").iloc[0]
    assert row["note"] == "users without before left out: 5 of v1, 5 of v2"


TOO_LITTLE = {
    "one unit of each": (lambda own: own.groupby("version").head(1), "fewer than 2 units of v1"),
    "one unit of the canary": (
        lambda own: pd.concat([own[own.version == "v1"], own[own.version == "v2"].head(1)]),
        "fewer than 2 units of v2",
    ),
    "values all alike": (lambda own: own.assign(words=5.0), "values are all alike"),
    "all of them 0": (lambda own: own.assign(words=0.0), "a mean is 0"),
    "no value at all": (lambda own: own.assign(words=np.nan), "fewer than 2 units"),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("case", TOO_LITTLE)
def test_too_little_is_told(good, units, case):
    change, words = TOO_LITTLE[case]
    row = good.join(change(units), {"words": tt.Mean("words", "before")}).iloc[0]
    assert row["note"].startswith("not enough: ")
    assert words in row["note"]
    assert pd.isna(row["low"])


@pytest.mark.parametrize("metrics", [[tt.Mean("words")], "words"])
def test_metrics_without_names_are_refused(good, units, metrics):
    with pytest.raises(InputError, match="by name"):
        good.join(units, metrics)


@pytest.mark.parametrize("table", [[1], {"version": ["v1"]}, None])
def test_what_is_no_frame_is_refused(good, table):
    with pytest.raises(InputError, match="units are a frame"):
        good.join(table, {})


def test_the_versions_are_named_as_in_the_rates_too(good, units):
    metrics = {"words": tt.Mean("words")}
    renamed = units.assign(version=units.version.map({"v1": "stable", "v2": "canary"}))
    assert good.join(renamed, metrics).equals(good.join(units, metrics))


def test_without_tea_tasting_one_sentence_says_what_to_install(good, units, monkeypatch):
    monkeypatch.setitem(sys.modules, "tea_tasting", None)
    with pytest.raises(InputError, match=r"pip install 'surefoot\[units\]'"):
        good.join(units, {})
