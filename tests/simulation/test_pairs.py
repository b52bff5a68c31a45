"""Pairs of answers that a judge compared: harm, safety, goals, and what must decide nothing."""

from __future__ import annotations

from typing import Any

import pytest

from rollout.decide.record.facts import Decided
from rollout.explain.decision.replayed import explain, text
from rollout.explain.status import report
from rollout.review.history import history
from tests.support.worlds import Behaviour, Lab, plan

ERRORS = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "2%"}}
PAIRS: Any = {
    "name": "preferred",
    "pairs": {"series": "summary_pairs_total"},
    "margin": {"absolute": "10%"},
}


def pairs_lab(wins=0.5, *, first_wins=0.5, canary_first=0.5, ties=0.1, seed=1, pairs=(), **spec):
    """A lab of errors and pairs, of which a judge compares six in ten requests."""
    own = plan(guardrails=[ERRORS, PAIRS | dict(pairs)], **spec)
    lab = Lab(Behaviour(wins=wins), plan=own, rate=20.0, seed=seed)
    lab.world.first_wins, lab.world.canary_first, lab.world.ties = first_wins, canary_first, ties
    return lab


def last_numbers(lab):
    return lab.decisions[-1].numbers["guardrails"]["preferred"]


def test_a_version_that_loses_more_pairs_than_allowed_goes_back():
    lab = pairs_lab(wins=0.25)
    assert lab.run().phase == "rolled back"
    assert lab.decisions[-1].reasons[0] == "harmful:preferred"
    assert "more than 60 % of pairs lost: the canary lost 7" in lab.decisions[-1].sentence


def test_a_preference_for_the_first_place_is_no_harm_however_orders_are_dealt():
    for seed in range(4):
        lab = pairs_lab(first_wins=0.85, canary_first=0.15, seed=seed)
        assert lab.run(600).phase == "promoted"
        numbers = last_numbers(lab)
        assert numbers["canary_bad"] > 0.6 * numbers["canary"], "most of what is counted is lost"
        assert -0.1 < numbers["estimate"] < 0.1
        words = report_words(lab)
        assert "the version that was read first won 8" in words


def report_words(lab):
    """What `why` says of the last decision."""
    seq = [entry.seq for entry in lab.entries if isinstance(entry.fact, Decided)][-1]
    explanation = explain(lab.entries, seq)
    assert explanation["replayed"]
    return text(explanation)


def test_why_tells_pairs_and_ties_and_replays():
    lab = pairs_lab(wins=0.55, ties=0.3, goals=[{"guardrail": "preferred"}])
    assert lab.run().phase == "promoted"
    words = report_words(lab)
    assert "ties left out" in words
    assert "sequential sign test of lost pairs" in words
    assert "lost pairs canary" in words
    assert not [look.differs for look in history(lab.entries).looks if look.differs]


def test_a_winner_by_pairs_is_promoted():
    trial = {"end": {"looks": 40}, "winner": "promote"}
    lab = pairs_lab(wins=0.7, goals=[{"guardrail": "preferred"}], experiment=trial, deadline="1h")
    assert lab.run(900).phase == "promoted"
    assert lab.decisions[-1].reasons[0] == "better:preferred"
    assert "the canary won 7" in lab.decisions[-1].sentence
    even = pairs_lab(goals=[{"guardrail": "preferred"}], experiment=trial, deadline="1h", seed=2)
    even.world.first_wins, even.world.canary_first = 0.9, 0.9
    assert even.run(900).phase == "rolled back"
    assert even.decisions[-1].reasons == ("not-better",)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ties": 1.0}, "no decided pair yet"),
        ({"canary_first": 1.0, "first_wins": 0.9}, "too few of one order"),
        ({"canary_first": 0.0, "wins": 0.2}, "too few of one order"),
    ],
    ids=["only ties", "the canary first", "stable first"],
)
def test_what_tells_nothing_promotes_nothing_and_harms_nobody(change, words):
    lab = pairs_lab(**change, deadline="2m")
    lab.run_until(lambda state: state.clock - state.started_at > 100)
    assert lab.state.phase == "stepping", "neither harm nor proof"
    goes_on = [fact for fact in lab.decisions if "preferred" in fact.sentence]
    assert any(words in fact.sentence for fact in goes_on)
    standing = report(lab.rollout, lab.state, lab.clock.now())
    line = next(line for line in standing.guardrails if line.name == "preferred")
    assert line.readout.estimate is None
    assert lab.run(200).phase == "rolled back"  # the deadline, as the plan says


def test_no_pairs_at_all_is_blind():
    lab = pairs_lab()
    lab.world.hidden.add("preferred")
    assert lab.run(200).phase == "rolled back"
    assert lab.decisions[-1].reasons == ("blind-too-long:preferred",)
    assert any("no pair yet" in fact.sentence for fact in lab.decisions)


def test_pairs_before_the_rollout_and_within_the_lag_are_not_its_own():
    lab = pairs_lab(wins=0.1, pairs={"lag": "30s"})
    start = lab.clock.now()
    lab.run_until(lambda state: state.clock - start > 28)
    assert lab.state.guardrails["preferred"].test.canary_units == 0
    assert lab.run().phase == "rolled back"
    assert lab.decisions[-1].at - start > 30
