"""The one decision rule: the first rule that has something to say, safety before progress."""

from __future__ import annotations

from collections.abc import Callable

from rollout.decide.record.facts import Decided
from rollout.decide.rules import deadline, progress, safety
from rollout.decide.rules.choice import Choice
from rollout.decide.rules.view import View, view
from rollout.decide.state.rollout import RolloutState
from rollout.decide.text import sentence
from rollout.decide.text.numbers import numbers

RULES: tuple[Callable[[View], Choice | None], ...] = (
    safety.reverting,
    safety.undoing,
    safety.aborted,
    safety.harmful,
    safety.asked,
    safety.drifted,
    safety.forgotten,
    safety.long_blind,
    deadline.late,
    deadline.used_up,
    safety.refused,
    progress.unconfirmed,
    progress.paused,
    progress.making,
    *progress.ASKED,
    progress.holding_back,
    progress.baking,
    progress.proven,
    progress.onward,
    progress.unproven,
)


def choose(seen: View) -> Choice:
    """The first rule's choice. The order is the policy: read RULES from the top."""
    for rule in RULES:
        choice = rule(seen)
        if choice is not None:
            return choice
    raise AssertionError("the last rule always chooses")


def step(state: RolloutState, now: float, rollout: str) -> Decided | None:
    """The decision at `now`; None where it would only repeat that nothing changes."""
    if state.terminal:
        return None
    seen = view(state, now)
    choice = choose(seen)
    last = state.last
    said = last is not None and (last.action, last.reasons) == (choice.action, choice.reasons)
    if choice.action == "hold" and said and state.asked is None:
        return None
    return Decided(
        rollout=rollout,
        at=now,
        action=choice.action,
        split=choice.split,
        reasons=choice.reasons,
        sentence=sentence.sentence(state, choice.action, choice.split, choice.reasons, seen),
        numbers=numbers(state, seen.judgement),
    )
