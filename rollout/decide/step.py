"""The decision: the first rule with an answer wins, and safety rules come before progress."""

from __future__ import annotations

from collections.abc import Callable

from rollout.decide.record.facts import Decided
from rollout.decide.record.reasons import Reason
from rollout.decide.rules import authority, deadline, experiment, first_write, progress, safety
from rollout.decide.rules.choice import Choice
from rollout.decide.rules.view import View, view
from rollout.decide.state.rollout import RolloutState
from rollout.decide.text import sentence
from rollout.decide.text.recorded import numbers

RULES: tuple[Callable[[View], Choice | None], ...] = (
    safety.reverting,
    safety.undoing,
    safety.aborted,
    safety.harmful,
    safety.asked,
    safety.drifted,
    safety.forgotten,
    safety.one_armed,
    safety.suspected,
    safety.long_blind,
    deadline.late,
    deadline.used_up,
    safety.refused,
    progress.unconfirmed,
    progress.promoted,
    progress.paused,
    progress.retreated,
    authority.unweighted,
    *first_write.OBSTACLES,
    progress.making,
    *progress.ASKED,
    progress.holding_back,
    progress.baking,
    experiment.comparing,
    progress.proven,
    progress.onward,
    progress.unproven,
)

# A hold for one of these is recorded again when the mesh shows something else.
_ABOUT_THE_ROUTE = {
    Reason.NOT_AT_STABLE,
    Reason.RETREATED,
    Reason.ROUTE_UNREAD,
    Reason.ROUTE_CONDITIONS,
}

_ADOPTED = Reason.DRIFT.of("adopted")


def choose(view: View) -> Choice:
    """Return the choice of the first rule that makes one. The order of RULES is the policy."""
    for rule in RULES:
        choice = rule(view)
        if choice is not None:
            return choice
    raise AssertionError("the last rule always chooses")


def step(
    state: RolloutState, now: float, rollout: str, lived: float | None = None
) -> Decided | None:
    """Return the decision at `now`; None where it would only repeat the last hold.

    The decision records `lived`, the rollout's lived time; None: as the wall clock went on.

    A hold for the same reasons is not recorded again, unless it answers a command or one more edit:
    the person who asked must find an answer in the journal, and an edit is over with its answer.
    """
    if state.is_terminal:
        return None
    lived = state.lived_by(now) if lived is None else lived
    current = view(authority.act_as_full(state), now, lived)
    choice = authority.limit(state, current, choose(current))
    last = state.last
    is_repeated = last is not None and (last.action, last.reasons) == (
        choice.action,
        choice.reasons,
    )
    if choice.reasons[0] in _ABOUT_THE_ROUTE and state.route_read is not None and last is not None:
        is_repeated = is_repeated and state.route_read.at <= last.at
    # The decision of the end explains the wait for the traffic, so such a hold adds nothing.
    is_repeated = is_repeated or choice.reasons[0] == Reason.FOLLOWING
    is_answer = state.asked is not None or (state.drifted and choice.reasons[0] == _ADOPTED)
    is_answer = is_answer or choice.would is not None  # who only observes records every look
    if choice.action == "hold" and is_repeated and not is_answer:
        return None
    return Decided(
        rollout=rollout,
        at=now,
        lived=lived,
        action=choice.action,
        split=choice.split,
        reasons=tuple(map(str, choice.reasons)),
        sentence=sentence.explain(current.state, choice, current),
        numbers=numbers(state, current.judgement),
        would=choice.would,
    )
