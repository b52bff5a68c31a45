"""What arithmetic says of a plan: each remark by its code, where it is due and nowhere else."""

import pytest

from rollout.rehearse.assumptions import KnownFigures, base
from rollout.rehearse.preflight import preflight
from rollout.rehearse.runs import rehearse_once
from rollout.rehearse.sample_size import reach
from rollout.rehearse.scenario import Rate, Scenario, usual_scenarios
from tests.support.worlds import plan

VERDICT = {"name": "facts", "template": "quality/verdict", "margin": {"absolute": "1%"}}
KNOWN = KnownFigures(rate=100.0, errors=0.005, latency=50.0, sigma=0.4, score=0.6, score_sd=0.1,
                labelled=0.6)  # fmt: skip


def run_preflight(the_plan, figures=KNOWN, changes=None):
    start = base(the_plan, figures)
    remarks = preflight(the_plan, start, usual_scenarios(the_plan) if changes is None else changes)
    return {remark.code: remark for remark in remarks}


def test_a_sound_plan_has_no_warnings():
    assert {remark.level for remark in run_preflight(plan()).values()} == {"note"}


def test_what_is_only_shown_is_a_note_and_no_question_of_evidence():
    sums = {"sum": {"series": "tokens_total"}, "count": {"series": "calls_total"}}
    shown_only = {"name": "tokens", "ratio": sums, "labels": {"version": "v"}, "times": 2}
    errors = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "1%"}}
    remarks = run_preflight(plan(guardrails=[errors, shown_only]))
    assert remarks["ratio"].text.startswith("tokens: a ratio of sums is no evidence: ")
    assert {remark.level for remark in remarks.values()} == {"note"}
    assert remarks["gap"].text.startswith("errors: ")


def test_the_gap_between_safe_and_harmful_is_always_said():
    text = run_preflight(plan())["gap"].text
    assert text.startswith("errors: with 0.5 % bad in stable the plan allows 1.5 %")
    assert "harm can be shown from 1.7" in text


def test_a_world_in_the_gap_is_warned_of():
    ratio = {"name": "errors", "template": "envoy/errors", "margin": {"ratio": 1.7}}
    remarks = run_preflight(plan(guardrails=[ratio], deadline="7d"))
    assert "2x errors: 1 % bad is more than the margin of errors allows" in remarks["in-gap"].text
    ratio = {**ratio, "margin": {"ratio": 1.25}}
    assert "in-gap" not in run_preflight(plan(guardrails=[ratio], deadline="7d"))


def test_a_drop_that_cannot_be_resolved_is_told_in_labels():
    few = KnownFigures(rate=2.0, labelled=0.1, errors=0.005)
    text = run_preflight(plan(), few, [Scenario("small drop", score=-0.05)])["unresolvable"].text
    assert text.startswith("small drop: accuracy cannot show the harm by the deadline: it needs ")
    needs, sees = (int(word.replace(",", "")) for word in text.split() if word[0].isdigit())
    assert needs > 1000 > sees
    assert sees == pytest.approx(0.2 * (0.05 * 10 + 0.25 * 10 + 0.5 * (300 - 4 - 8 - 20)), abs=1)


def test_harm_that_lies_beyond_all_buckets_cannot_be_resolved():
    high = KnownFigures(rate=100.0, score=7.0)
    text = run_preflight(plan(), high, [Scenario("lower", score=-0.05)])["unresolvable"].text
    assert (
        text
        == "lower: accuracy cannot show the harm by the deadline: no number of labels is enough"
    )


def test_no_more_than_everything_is_acceptable():
    text = run_preflight(plan(), KnownFigures(rate=100.0, errors=0.995))["gap"].text
    assert "the plan allows 100 %" in text


def test_the_need_is_the_least_possible_and_falls_with_harm():
    the_plan, start = plan(), base(plan(), KNOWN)
    accuracy = the_plan.spec.guardrails[2]
    needs = [
        reach(the_plan, start, accuracy, Scenario("x", score=drop)).needs
        for drop in (-0.045, -0.06, -0.2)
    ]
    assert needs == sorted(needs, reverse=True)


def test_proof_that_no_deadline_allows_is_warned_of():
    assert "unprovable" not in run_preflight(plan())
    errors = plan(guardrails=plan().document()["spec"]["guardrails"][:1])
    text = run_preflight(errors, KnownFigures(rate=0.5))["unprovable"].text
    assert text.startswith("errors cannot be proven safe by the deadline: it needs ")


def test_buckets_that_are_too_coarse_are_named():
    coarse = run_preflight(
        plan(), KnownFigures(rate=100.0, latency_edges=(10.0, 50.0, 100.0, 500.0))
    )
    assert coarse["coarse-buckets"].level == "warning"
    assert coarse["coarse-buckets"].guardrail == "latency"


def test_an_edge_off_the_tolerance_is_named():
    edges = tuple(20.0 * 1.2**k for k in range(12))
    remark = run_preflight(plan(), KnownFigures(rate=100.0, latency_edges=edges))["off-edge"]
    assert "no bucket edge lies 25 % from" in remark.text
    assert "proof allows only 82 % of the tolerance" in remark.text


def test_a_bucket_edge_at_zero_is_named():
    edges = (0.0, *(20.0 * 1.25**k for k in range(12)))
    remarks = run_preflight(plan(), KnownFigures(rate=100.0, latency_edges=edges))
    assert "positive bucket edges" in remarks["unusable-buckets"].text


def test_a_canary_without_a_request_per_look():
    assert "few-requests" in run_preflight(plan(), KnownFigures(rate=5.0))
    assert "few-requests" not in run_preflight(plan(), KnownFigures(rate=20.0))


def test_a_ramp_beyond_the_deadline():
    assert "ramp-too-long" in run_preflight(plan(deadline="25s"))
    assert "ramp-too-long" not in run_preflight(plan(deadline="1m"))


def test_no_guardrail_of_the_proxy():
    assert run_preflight(plan(guardrails=[VERDICT]))["no-proxy"].text.endswith(
        "by what facts counts"
    )
    assert "no-proxy" not in run_preflight(plan())


def test_a_world_that_nobody_looks_at():
    remarks = run_preflight(
        plan(), changes=[Scenario("same"), Scenario("bad facts", fails=Rate(2.0))]
    )
    assert remarks["unguarded"].text.startswith("bad facts: no guardrail")


def test_twice_nothing_is_nothing():
    text = run_preflight(plan(), KnownFigures(rate=100.0, errors=0.0))["no-change"].text
    assert text == "2x errors: with stable's figures nothing differs there"
    assert "no-change" not in run_preflight(plan())


def test_what_is_done_without_proof():
    assert "promotes-unproven" in run_preflight(plan(whenInconclusive="promote"))


def test_what_is_no_experiment_is_named():
    assert "observational" not in run_preflight(plan())
    assert (
        "a cold start of the canary counts as harm"
        in run_preflight(plan(warmup="0s"))["observational"].text
    )


def test_a_paced_ramp_may_reach_its_top_at_once():
    ramp = {"harmBudget": 10, "min": "1%", "max": "50%", "bake": "4s"}
    assert {remark.level for remark in run_preflight(plan(ramp=ramp)).values()} == {"note"}


def test_a_plan_of_less_authority_is_rehearsed_as_full():
    remarks = run_preflight(plan(authority="observe"))
    assert remarks["authority"].text.startswith("authority observe: rehearsed is what full")
    base_of = base(plan(), KNOWN)
    change = usual_scenarios(plan())[0]
    runs = {rehearse_once(plan(authority=own), base_of, change, (1, 1)).outcome
            for own in (None, "observe", "advance")}  # fmt: skip
    assert len(runs) == 1
