"""Parts of the units are judged beside the whole: harm to one goes back, few units are not told."""

from __future__ import annotations

import dataclasses
import math

import pandas as pd
import pytest

from analysis.family import adjust
from rollout.decide.evidence.goals import conclude_in_segments
from rollout.decide.fold import fold_all
from rollout.decide.rules.view import view
from rollout.decide.text.evidence import describe_nothing_harmful, list_segment_numbers
from rollout.decide.text.experiment import describe_conclusion, measure_goal
from rollout.decide.text.suppression import find_suppressed
from rollout.experiment.experiment import Experiment
from rollout.explain.decision.replayed import explain, text
from rollout.explain.status import report
from rollout.metrics.families import of_rollout
from rollout.review.history import history
from rollout.review.look import differences
from rollout.simulate import Behaviour
from tests.support.worlds import BAD, GOOD, Lab, plan

DEPARTMENTS = {"label": "department", "values": ["cardiology", "oncology", "geriatrics"]}
STEPS = {"steps": ["25%", "50%"], "bake": "8s"}
ERRORS = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "1%"}}
HARMED = {("v2", "[department=oncology]"): Behaviour(errors=0.1)}


def split_plan(**spec):
    return plan(**{"segments": [DEPARTMENTS], "ramp": STEPS, "guardrails": [ERRORS], **spec})


def run(apart=None, seed=1, rate=60.0, seconds=300.0, **spec):
    lab = Lab(plan=split_plan(**spec), seed=seed, rate=rate)
    lab.world.apart = apart or {}
    lab.run(seconds)
    return lab


@pytest.fixture(scope="module")
def harmed():
    return run(HARMED)


def test_harm_to_one_segment_rolls_back_and_names_it(harmed):
    decided = harmed.decisions[-1]
    assert harmed.state.phase == "rolled back"
    assert decided.reasons == ("harmful:errors[department=oncology]",)
    assert "errors[department=oncology] more than 1 point above stable" in decided.sentence


def test_the_whole_alone_does_not_show_it_as_soon(harmed):
    alone = run(HARMED, segments=None)
    assert alone.clock.now() - alone.begun > harmed.clock.now() - harmed.begun


def test_a_replay_decides_the_same(harmed):
    record = history(harmed.entries)
    assert not [look for look in record.looks if look.differs]


def test_a_good_canary_is_promoted_although_no_segment_is_proven():
    lab = run(rate=20.0, segments=[{**DEPARTMENTS, "values": [*map(str, range(20))]}])
    assert lab.state.phase == "promoted"
    verdicts = view(lab.state, lab.clock.now()).judgement.segment_verdicts
    assert {"undecided"} & {own.kind for own in verdicts.values()}


def test_a_segment_nobody_counts_holds_nothing_up():
    lab = Lab(plan=split_plan(), rate=60.0)
    lab.world.hidden = {f"errors[department={value}]" for value in DEPARTMENTS["values"]}
    assert lab.run(300).phase == "promoted"


def test_harmless_canaries_stay_although_there_are_many_segments():
    """Ten rollouts of twelve segments at a declared 1 %: two or more have a chance of .004."""
    values = [*map(str, range(12))]
    segments = [{**DEPARTMENTS, "values": values}]
    runs = [run(seed=seed, rate=40.0, segments=segments) for seed in range(10)]
    assert sum(lab.state.phase == "rolled back" for lab in runs) <= 1


def test_numbers_of_few_units_are_told_nowhere(harmed):
    values = DEPARTMENTS["values"]
    lab = run(HARMED, segments=[{**DEPARTMENTS, "atLeast": 100_000}])
    numbers = lab.decisions[-1].numbers["segments"]
    verdicts = dict.fromkeys(values, "undecided") | {"oncology": "harmful"}
    assert numbers == {
        f"errors[department={value}]": {"verdict": verdicts[value], "at_least": 100_000}
        for value in values
    }
    assert "fewer than 100,000 requests of a version" in lab.decisions[-1].sentence
    lines = report(lab.rollout, lab.state, lab.clock.now()).segments
    assert {(line.difference, line.low, line.high) for line in lines} == {(None, None, None)}
    seq = next(e.seq for e in lab.entries if e.fact == lab.decisions[-1])
    words = text(explain([entry for entry in lab.entries if entry.seq <= seq], seq))
    assert "not told: fewer than 100,000 units" in words


def test_evidence_of_few_units_is_no_number_for_views_either(harmed):
    """Neither the metrics nor the sentence of what is closest to a rollback have it."""
    late = {("v2", "[department=oncology]"): Behaviour(errors=0.06)}
    suppressed = [{**DEPARTMENTS, "atLeast": 100_000}]
    exported, sentences = set(), []
    for own in (suppressed, [{**DEPARTMENTS, "atLeast": 1}]):
        lab = Lab(plan=split_plan(segments=own), rate=60.0)
        lab.world.apart = late
        state = lab.run_until(lambda s: any(own.logs.harm > 2 for own in s.segments.values()))
        samples = of_rollout(lab.rollout, state)
        exported.add(
            frozenset(labels["guardrail"] for _, labels, _ in samples if "guardrail" in labels)
        )
        judgement = view(state, lab.clock.now()).judgement
        sentences.append(describe_nothing_harmful(state, "", judgement))
    assert exported == {
        frozenset({"errors"}),
        frozenset({"errors", *harmed.state.segments}),
    }
    name = "errors[department=oncology]"
    assert sentences[0].endswith(f"(closest: {name}, fewer than 100,000 requests of a version)")
    assert f"(closest: {name}, " in sentences[1]
    assert "of the evidence for a rollback" in sentences[1]


@pytest.fixture(scope="module")
def rare():
    """A rollout with few units of one value, of all that the plan names."""
    lab = Lab(plan=split_plan(goals=[{"guardrail": "errors"}]), rate=60.0)
    lab.world.often = {"[department=oncology]": 0.01}
    large = ("errors[department=cardiology]", "errors[department=geriatrics]")
    lab.run_until(lambda s: all(s.segments[n].test.canary_units > 100 for n in large if s.segments))
    return lab


def test_no_view_tells_what_the_whole_would_give_away_with_it(rare):
    hidden, beside = "errors[department=oncology]", "errors[department=geriatrics]"
    state, judgement = rare.state, view(rare.state, rare.clock.now()).judgement
    assert find_suppressed(state) == {hidden: "few", beside: "tells another"}
    numbers = list_segment_numbers(state, judgement)
    assert numbers[hidden] == {"verdict": "undecided", "at_least": 20}
    assert numbers[beside] == {"verdict": "undecided", "suppressed": "tells another"}
    lines = {line.name: line for line in report(rare.rollout, state, rare.clock.now()).segments}
    assert lines[beside].said == "its numbers would give away a segment with few requests"
    assert lines[beside].low is None
    exported = {labels.get("guardrail") for _, labels, _ in of_rollout(rare.rollout, state)}
    assert not exported & {hidden, beside}
    assert "errors[department=cardiology]" in exported
    for name in (hidden, beside):
        assert not any(letter.isdigit() for letter in measure_goal(state, name).replace("20", ""))


def test_no_table_of_analysts_has_it_either(rare):
    record = history(rare.entries)
    exp = Experiment(record)
    rows = {row["segment"]: row for row in exp.segments().to_dict("records")}
    assert rows["geriatrics"]["note"] == "its numbers would give away a segment with few requests"
    goals = {row["segment"]: row for row in exp.goals().to_dict("records")}
    for value in ("oncology", "geriatrics"):
        for row in (rows[value], goals[f"department={value}"]):
            assert all(pd.isna(row[key]) for key in ("canary_units", "difference", "better"))
    assert rows["cardiology"]["canary_units"] > 20
    last = exp.evidence().query("guardrail == 'segments'").iloc[-1]
    judgement = view(record.states[-1], rare.clock.now()).judgement
    alone = judgement.log_parts["errors[department=cardiology]"] / math.log(10)
    assert last["log10_harm"] == pytest.approx(alone)
    exp.plot.segments()


def test_a_replay_of_a_record_that_told_more_is_the_same_decision(harmed):
    """Which numbers are told is no part of a decision; its verdicts are."""
    decided = harmed.decisions[-1]
    numbers = decided.numbers["segments"]
    few = {name: {"verdict": own["verdict"], "at_least": 9} for name, own in numbers.items()}
    again = decided.model_copy(update={"numbers": {**decided.numbers, "segments": few}})
    assert differences(decided, again) == ()
    other = {name: {**own, "verdict": "safe"} for name, own in few.items()}
    again = decided.model_copy(update={"numbers": {**decided.numbers, "segments": other}})
    assert differences(decided, again) == ("numbers",)


def test_what_is_learnt_of_the_whole_holds_for_its_parts(harmed):
    """A segment's errors come in bunches as all do: its own past is too short to tell."""
    state = fold_all([(entry.seq, entry.fact) for entry in harmed.entries])
    for own in state.segments.values():
        assert own.test.dispersion == state.guardrails["errors"].test.dispersion


def test_goals_are_one_family_with_their_segments():
    """Every question that is asked counts: evidence of one is corrected for all of them."""
    state = run(goals=[{"guardrail": "errors"}]).state
    results = conclude_in_segments(state)
    assert results.keys() == {"errors", *state.segments}
    own = {**state.goals, **state.segment_goals}
    logs = [test.log_better for test in own.values()] + [test.log_worse for test in own.values()]
    adjusted = dict(zip(own, adjust(logs), strict=False))
    assert results["errors"].better_of_all >= adjusted["errors"]


def test_a_canary_that_is_worse_in_one_segment_has_not_won():
    trial = {"end": {"looks": 120}, "winner": "promote"}
    apart = {
        ("v1", f"[department={name}]"): Behaviour(errors=0.08) for name in DEPARTMENTS["values"]
    }
    apart |= {("v2", f"[department={name}]"): GOOD for name in DEPARTMENTS["values"]}
    apart |= {
        ("v1", "[department=oncology]"): Behaviour(errors=0.0),
        ("v2", "[department=oncology]"): Behaviour(errors=0.03),
    }
    loose = [{**ERRORS, "margin": {"absolute": "20%"}}]
    lab = run(apart, rate=200.0, seconds=900.0, goals=[{"guardrail": "errors"}], guardrails=loose,
              experiment=trial, deadline="1h")  # fmt: skip
    reasons = lab.decisions[-1].reasons
    assert "worse:errors[department=oncology]" in reasons
    assert "better:errors" in reasons
    assert lab.state.phase == "rolled back"
    assert "below 1 in" in describe_conclusion(lab.state, "errors[department=oncology]", "worse")
    hidden = plan(
        **split_plan().document()["spec"] | {"segments": [{**DEPARTMENTS, "atLeast": 100_000}]}
    )
    few = dataclasses.replace(lab.state, plan=hidden)
    words = describe_conclusion(few, "errors[department=oncology]", "worse")
    assert "below 1 in" not in words
    assert "fewer than 100,000 requests of a version" in words


def test_a_plan_without_segments_is_as_it_was():
    lab = Lab(BAD)
    lab.run()
    assert lab.state.segments == {}
    assert not any("segments" in decided.numbers for decided in lab.decisions)
    assert "segments" not in plan().document()["spec"]


def test_states_that_forget_their_evidence_forget_segments_too(harmed):
    assert dataclasses.replace(harmed.state, guardrails={}, segments={}).measured == {}
