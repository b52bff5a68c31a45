"""Sentences: the plan's unit first, the numbers behind it, and what comes next."""

import math
from dataclasses import replace

import pytest

from analysis.dispersion.dispersion import Dispersion
from analysis.verdict.readout import Readout
from rollout.build import read_build
from rollout.decide.fold import fold
from rollout.decide.record.facts import Learned, Started
from rollout.decide.text.error_rates import rests_on
from rollout.decide.text.measurement import allowance, harmed, off_edge, proven, unproven
from rollout.decide.text.numbers import chance, decimal, join, points
from rollout.plan.model.guardrail import Guardrail
from tests.support.pods import pods_plan


def guardrail(template: str, **allowed: object) -> Guardrail:
    return Guardrail.model_validate({"name": "metric", "template": template, **allowed})


LATENCY = guardrail("envoy/latency", tolerance=0.25)
SCORE = guardrail("quality/score", tolerance=0.04)
ERRORS = guardrail("envoy/errors", margin={"ratio": 1.25, "absolute": "0.2%"})
MEASURED = Readout(
    canary=2000, stable=4000, estimate=0.103, low=0.0313, high=0.179, allowed=0.0506, safe=0.81
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.00123, "0.00123"),
        (119.97, "120"),
        (1234.5, "1,234"),
        (-1e-9, "0"),
        (2e6, "2,000,000"),
    ],
)
def test_numbers_have_three_digits_groups_and_no_exponent(value, text):
    assert decimal(value) == text


@pytest.mark.parametrize("evidence", [1.0, 1.99, 99.9, 887.0, 15_999.0, 1e8, 1e300])
def test_a_chance_is_never_stated_smaller_than_the_evidence_bounds_it(evidence):
    text = chance(math.log(evidence))
    stated = int(text.removeprefix("1 in ").replace(",", ""))
    assert stated <= evidence * (1 + 1e-9)
    assert stated >= min(evidence, 1e9) / 1.1 - 1


def test_words_are_joined_and_one_point_is_singular():
    assert [join(["a"]), join(["a", "b", "c"])] == ["a", "a, b and c"]
    assert [points(0.01), points(0.115)] == ["1 point", "11.5 points"]


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        (LATENCY, "25 % slower"),
        (SCORE, "0.04 lower"),
        (ERRORS, "1.25 times stable's plus 0.2 points"),
        (guardrail("envoy/errors", margin={"absolute": "1%"}), "1 point above stable"),
        (guardrail("envoy/errors", margin={"ratio": 2}), "2 times stable's"),
    ],
)
def test_what_is_allowed_is_said_in_the_unit_of_the_plan(declared, text):
    assert allowance(declared) == text


@pytest.mark.parametrize("describe", [harmed, proven, unproven])
def test_a_histogram_names_its_tolerance_before_the_points_at_its_edge(describe):
    text = describe(LATENCY, replace(MEASURED, edge=119.97, partner=95.98))
    assert text.index("25 % slower") < text.index("requests slower than 120 ms")
    assert "5.06" in text
    low = describe(SCORE, replace(MEASURED, edge=0.5, partner=0.54))
    assert low.index("0.04 lower") < low.index("scores of 0.5 or less")


def test_a_rate_names_what_is_measured_and_what_is_allowed():
    assert "10.3 points above stable (3.13 to 17.9, allowed 5.06)" in harmed(ERRORS, MEASURED)
    assert "(81 % of the evidence)" in unproven(ERRORS, MEASURED)
    assert "at most 17.9 points above stable (allowed 5.06" in proven(ERRORS, MEASURED)
    better = replace(MEASURED, high=-0.004)
    assert "at least 0.4 points below stable (allowed 5.06 above" in proven(ERRORS, better)
    assert "nothing measured" in unproven(ERRORS, Readout())
    one_armed = unproven(ERRORS, Readout(canary=1200))
    assert (
        "nothing to compare yet: 1,200 requests of the canary are counted, 0 of stable" in one_armed
    )


@pytest.mark.parametrize(
    ("declared", "edge", "partner", "numbers"),
    [
        (LATENCY, 125.0, 100.0, ()),
        (LATENCY, 120.0, 100.0, ("25 %", "120", "20 %")),
        (LATENCY, 124.9, 100.0, ()),
        (SCORE, 0.5, 0.54, ()),
        (SCORE, 0.5, 0.53, ("0.04", "0.5", "0.03")),
        (LATENCY, None, None, ()),
        (ERRORS, 1.0, 2.0, ()),
    ],
)
def test_a_tolerance_off_the_edges_is_told(declared, edge, partner, numbers):
    text = off_edge(declared, Readout(edge=edge, partner=partner))
    assert bool(text) == bool(numbers)
    assert all(number in text for number in numbers)


def test_what_error_rates_rest_on():
    plan = pods_plan()
    started = Started(
        rollout="r", at=1.0, plan=plan.document(), digest="d", total=100, controller="0"
    )
    state = fold(None, started, 1)
    assert "independent" in rests_on(state, "errors")
    dispersions = {
        "errors": Dispersion(cluster=1.5, lasting=0.04, pods_canary=2, pods_stable=9, ticks=7)
    }
    fact = Learned(
        rollout="r", at=2.0, dispersions=dispersions, problems={"latency": "no label pod"}
    )
    state = fold(state, fact, 2)
    learned = rests_on(state, "errors")
    assert "independent" not in learned
    assert "bursts of 1.5" in learned
    assert "0.2 sd (9 pods of stable, 2 of the canary, 7 looks)" in learned
    assert "independent requests (no label pod)" in rests_on(state, "latency")
    assert "independent" in rests_on(state, "accuracy")


def test_a_margin_beyond_what_stable_has_shown_is_told():
    plan = pods_plan()
    started = Started(
        rollout="r", at=1.0, plan=plan.document(), digest="d", total=100, controller="0"
    )
    state = fold(None, started, 1)
    for rate, is_told in ((0.0004, True), (0.5, False), (None, False)):
        learned = Dispersion(by="totals", ticks=2880, rate=rate, unexcluded=1.0)
        fact = Learned(rollout="r", at=2.0, dispersions={"errors": learned})
        assert ("more than stable's 0.04 %" in rests_on(fold(state, fact, 2), "errors")) == is_told


def test_sentences_and_why_name_the_bound_that_buckets_allow():
    from rollout.explain.decision.replayed import explain, text
    from rollout.simulate import Behaviour
    from tests.support.worlds import Lab, plan

    coarse = Behaviour(latency_edges=tuple(10 * 1.2**k for k in range(20)))
    lab = Lab(coarse, plan=plan(deadline="1m", whenInconclusive="pause"), rate=20)
    lab.world.behaviours = {"v1": coarse, "v2": coarse}
    lab.run(55)
    decided = next(d for d in lab.decisions if "no bucket edge lies 25 % from" in d.sentence)
    assert "20 % must be proven" in decided.sentence
    explained = explain(lab.entries, next(e.seq for e in lab.entries if e.fact == decided))
    assert explained["replayed"]
    assert not explained["differs"]
    page = text(explained)
    assert page.splitlines()[-2].endswith("samples: the same decision")
    for essential in ("20 % must be proven", "at most 25 % slower", "independent requests"):
        assert essential in page


def test_a_rollback_states_its_chance_and_the_next_step():
    from rollout.simulate import Behaviour
    from tests.support.worlds import Lab

    lab = Lab(Behaviour(tail_share=0.3))
    assert lab.run().phase == "rolled back"
    decided = lab.decisions[-1]
    assert f"below {chance(decided.numbers['joint'] * math.log(10))}" in decided.sentence
    assert "(the plan accepts 1 %), if requests are independent" in decided.sentence
    assert f"next: fix v2, then surefoot retry {lab.plan.name}" in decided.sentence


@pytest.mark.parametrize(
    ("altered", "differs", "words"),
    [
        ({"sentence": "Other words."}, [], "the same decision"),
        ({"numbers": {}}, ["numbers"], "the same decision by other numbers"),
        ({"action": "hold"}, ["action"], "another decision (action): Surefoot test recorded it"),
        (
            {"action": "hold", "controller": read_build()},
            ["action"],
            "ANOTHER decision by the very build that recorded it: do not trust this log",
        ),
    ],
)
def test_why_tells_other_numbers_and_texts_from_another_decision(altered, differs, words):
    from rollout.explain.decision.replayed import explain, text
    from tests.support.worlds import Lab, plan

    lab = Lab(plan=plan())
    lab.run(20)
    entry = next(e for e in lab.entries if getattr(e.fact, "action", "") == "advance")
    changed = replace(entry, fact=entry.fact.model_copy(update=altered))
    explained = explain([changed if e.seq == entry.seq else e for e in lab.entries], entry.seq)
    assert explained["differs"] == differs
    assert words in text(explained)


def test_texts_in_recorded_numbers_do_not_differ():
    from rollout.review.look import differences
    from tests.support.worlds import Lab, plan

    lab = Lab(plan=plan())
    lab.run(20)
    decided = lab.decisions[-1]
    reworded = {
        name: {**numbers, "reason": "other", "words": "other"}
        for name, numbers in decided.numbers["guardrails"].items()
    }
    other = decided.model_copy(update={"numbers": {**decided.numbers, "guardrails": reworded}})
    assert differences(decided, other) == ()
    harmed_numbers = {name: {**n, "harm": 7.0} for name, n in reworded.items()}
    third = decided.model_copy(
        update={"numbers": {**decided.numbers, "guardrails": harmed_numbers}}
    )
    assert differences(decided, third) == ("numbers",)
