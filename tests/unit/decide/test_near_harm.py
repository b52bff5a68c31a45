"""No weight is raised while the evidence of harm is above half of a rollback's."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from rollout.decide.evidence.blindness import Blind
from rollout.decide.record.facts import Decided
from rollout.decide.rules import deadline, progress
from rollout.decide.rules.view import View, view
from rollout.decide.step import choose
from rollout.decide.text.sentence import sentence
from rollout.explain.next_action import next_action
from rollout.journal.location import from_words
from rollout.journal.open import open_for_reading
from rollout.review.history import histories
from tests.support.states import T0
from tests.support.worlds import GOOD, Lab

RECORDED = Path(__file__).parents[3] / "notebooks" / "data" / "demo.jsonl"


@pytest.fixture(scope="module")
def state():
    """A rollout that has just advanced to 25 %, and whose bake is over at `looked_at`."""
    lab = Lab(GOOD)
    return lab.run_until(
        lambda s: s.wanted.canary == 25 and s.steady_at is not None and not s.delivery.is_open
    )


def at_evidence(state, share: float, *, safe: bool = False) -> View:
    """The view once the bake is over, with this share of a rollback's evidence of harm."""
    now = (state.steady_at or T0) + 9
    current = replace(view(state, now), blind=dict[str, Blind]())
    log = share * -math.log(current.judgement.alpha)
    return replace(current, judgement=replace(current.judgement, log_joint=log, safe=safe))


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.0, "nothing-harmful"), (0.5, "nothing-harmful"), (0.51, "near-harm"), (0.96, "near-harm")],
)
def test_a_step_asks_for_distance(state, share, expected):
    choice = choose(at_evidence(state, share))
    assert choice.reasons == (expected,)
    assert choice.action == ("hold" if expected == "near-harm" else "advance")


def test_the_sentence_and_what_is_next_name_the_distance(state):
    near = at_evidence(state, 0.96)
    choice = choose(near)
    text = sentence(near.state, choice.action, choice.split, choice.reasons, near)
    assert "96 % of the evidence for a rollback is there" in text
    assert "no guardrail shows harm" not in text
    assert "evidence of harm is at most 50 % of a rollback's" in next_action(near)


def test_neither_a_proof_nor_a_deadline_promotes_near_harm(state):
    at_top = replace(state, delivery=state.delivery.want(replace(state.wanted, canary=50), 99, T0))
    at_top = replace(at_top, delivery=at_top.delivery.confirm(T0))
    near = at_evidence(at_top, 0.9, safe=True)
    held, promoted = progress.proven(near), progress.proven(at_evidence(at_top, 0.1, safe=True))
    assert held is not None
    assert held.reasons == ("near-harm",)
    assert promoted is not None
    assert promoted.action == "promote"
    assert progress.near_harm in deadline._PRECONDITIONS


def test_what_would_not_step_keeps_its_reason(state):
    at_top = replace(state, delivery=state.delivery.want(replace(state.wanted, canary=50), 99, T0))
    at_top = replace(at_top, delivery=at_top.delivery.confirm(T0))
    assert all(code.startswith("undecided:") for code in choose(at_evidence(at_top, 0.9)).reasons)


def test_the_recorded_demo_is_decided_again_as_it_was_recorded():
    """Its advances had less evidence than half, so the rule needs no version of its own."""
    entries = list(open_for_reading(from_words(str(RECORDED))).read())
    facts = [entry.fact for entry in entries]
    looks = [look for history in histories(entries) for look in history.looks]
    assert [look.differs for look in looks] == [()] * len(looks)
    advances = [f for f in facts if isinstance(f, Decided) and f.action == "advance"]
    assert 0 < max(fact.numbers["joint"] for fact in advances) < 1.0  # half of log10(100)
