"""Translates a rollout's state into the status conditions of its RolloutPlan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rollout.decide.rules.view import View
from rollout.decide.state.rollout import Phase, RolloutState
from rollout.decide.text.following import describe_following
from rollout.plan.kube.status import Condition, ConditionType

LIMIT = 8_000  # characters of a message; the API server accepts 32,768

_OVER = (
    ", and was carried out before this resource was created: to start again, change the plan or "
    "annotate it with surefoot.dev/retry"
)


@dataclass(frozen=True)
class PlanAcceptance:
    """The result of reading a resource: whether its plan is accepted, refused or pending."""

    reason: str = "Accepted"
    messages: tuple[str, ...] = ()
    plan: str = ""  # the rollout id that the plan has
    pending: str = ""  # the rollout that waits, because `running` has not ended
    running: str = ""


@dataclass(frozen=True)
class RolloutCondition:
    """One condition: whether it is true (None: nobody knows), and why.

    `dated` adds the transition time.
    """

    type: ConditionType
    holds: bool | None
    reason: str
    message: str = ""


def of_reading(reading: PlanAcceptance, *, over: bool = False) -> list[RolloutCondition]:
    """Return the conditions Accepted and, for an edit that waits, Pending.

    `over` says that the plan was already carried out for an earlier resource of the same name.
    """
    accepted = reading.reason == "Accepted"
    sound = f"the plan is valid{_OVER if over else ''}"
    message = sound if accepted else "\n".join(reading.messages)
    conditions = [RolloutCondition("Accepted", accepted, reading.reason, message)]
    if reading.pending:
        message = (
            f"{reading.pending} starts when {reading.running} has ended, which goes on with the "
            "plan that it started with; abort it to start sooner"
        )
        conditions.append(
            RolloutCondition("Pending", holds=True, reason="RolloutUnderWay", message=message)
        )
    return conditions


def of_rollout(state: RolloutState, current: View | None) -> list[RolloutCondition]:
    """Return the conditions of a rollout; an ended one needs no view."""
    ends: tuple[tuple[Phase, ConditionType], ...] = (
        ("promoted", "Promoted"),
        ("rolled back", "RolledBack"),
    )
    ended = [_describe_end(state, phase, kind) for phase, kind in ends]
    if state.phase == "undone":
        ended.append(_describe_end(state, "undone", "Undone"))
    followed = _describe_following(state)
    return [_describe_progress(state), _describe_blindness(state, current), *ended, *followed]


def _describe_progress(state: RolloutState) -> RolloutCondition:
    resting: set[Phase] = {"paused", "promoted", "rolled back", "undone", "observed"}
    explanation = state.explanation
    message = explanation.sentence if explanation else "waiting for the first look"
    if state.route_problem and state.route_problem not in message:
        message += f"\nthe mesh answers: {state.route_problem}"
    return RolloutCondition("Progressing", state.phase not in resting, camel(state.phase), message)


def _describe_blindness(state: RolloutState, current: View | None) -> RolloutCondition:
    if state.is_terminal or current is None or not current.blind:
        return RolloutCondition(
            "Blind", holds=False, reason="Ended" if state.is_terminal else "Sighted"
        )
    reasons = (f"{name}: {blind.reason}" for name, blind in sorted(current.blind.items()))
    return RolloutCondition("Blind", holds=True, reason="NoEvidence", message="\n".join(reasons))


def _describe_following(state: RolloutState) -> list[RolloutCondition]:
    """Tell whether traffic follows the last write; nothing before the object shows that write.

    Written, taken and seen are three facts: the object holds it, the mesh says that it has taken
    it, the counted requests follow it.
    """
    following = state.following
    if following is None:
        return []
    holds, reason = None, state.written_as
    if following.vouched is not None:
        holds, reason = True, "Confirmed by a person"
    elif following.outcome in {"seen", "not followed"}:
        holds = following.outcome == "seen"
    return [RolloutCondition("TrafficFollows", holds, camel(reason), describe_following(state))]


def _describe_end(state: RolloutState, phase: Phase, kind: ConditionType) -> RolloutCondition:
    """Tell whether the rollout ended in this phase, with the deciding reason's code."""
    if state.phase != phase or state.move is None:
        return RolloutCondition(kind, holds=False, reason=camel(state.phase))
    code = state.move.reasons[0] if state.move.reasons else state.move.action
    return RolloutCondition(kind, holds=True, reason=camel(code), message=state.move.sentence)


def dated(
    holds: Iterable[RolloutCondition], before: Sequence[dict[str, Any]], generation: int, now: float
) -> list[Condition]:
    """Add transition times: a condition whose status did not change keeps its time.

    That is the Kubernetes convention: a new reason or message alone is no transition.
    """
    since = {(old["type"], old["status"]): old["lastTransitionTime"] for old in before}
    conditions = []
    for condition in holds:
        status = "Unknown" if condition.holds is None else str(condition.holds)
        conditions.append(
            Condition.model_validate(
                {
                    "type": condition.type,
                    "status": status,
                    "reason": condition.reason,
                    "message": condition.message[:LIMIT],
                    "lastTransitionTime": since.get((condition.type, status), utc(now)),
                    "observedGeneration": generation,
                }
            )
        )
    return conditions


def utc(at: float) -> str:
    """Format Unix seconds as the API server does (RFC 3339, whole seconds)."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def camel(words: str) -> str:
    """Turn `human:abort` into `HumanAbort`: Kubernetes wants a reason in one word."""
    letters = "".join(char if char.isalnum() else " " for char in words)
    return "".join(word[0].upper() + word[1:] for word in letters.split()) or "Unknown"
