"""The one decision rule: the first rule that has something to say, safety before progress."""

from __future__ import annotations

from collections.abc import Callable

from rollout.decide import climbing, inconclusive, say, stopping
from rollout.decide.choice import Choice
from rollout.decide.facts import Decided
from rollout.decide.numbers import numbers
from rollout.decide.state import State
from rollout.decide.view import View, view

RULES: tuple[Callable[[View], Choice | None], ...] = (
    stopping.reverting,
    stopping.undoing,
    stopping.aborted,
    stopping.harmful,
    stopping.asked,
    stopping.drifted,
    stopping.forgotten,
    stopping.long_blind,
    inconclusive.late,
    inconclusive.used_up,
    stopping.refused,
    climbing.unconfirmed,
    climbing.paused,
    climbing.making,
    *climbing.ASKED,
    climbing.holding_back,
    climbing.baking,
    climbing.proven,
    climbing.onward,
    climbing.unproven,
)


def choose(seen: View) -> Choice:
    """The first rule's choice. The order is the policy: read RULES from the top."""
    for rule in RULES:
        choice = rule(seen)
        if choice is not None:
            return choice
    raise AssertionError("the last rule always chooses")


def step(state: State, now: float, rollout: str) -> Decided | None:
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
        sentence=say.sentence(state, choice.action, choice.split, choice.reasons, seen),
        numbers=numbers(state, seen.judgement),
    )
