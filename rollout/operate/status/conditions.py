"""A rollout's state as the conditions of its resource."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rollout.decide.rules.view import View
from rollout.decide.state.rollout import Phase, RolloutState
from rollout.plan.kube.status import Condition, ConditionType

LIMIT = 8_000  # letters of a message; the API server takes 32,768


_OVER = (
    ", and was carried out before this resource was made: change it, or annotate it with "
    "surefoot.dev/retry, to begin anew"
)


@dataclass(frozen=True)
class PlanAcceptance:
    """What came of reading a resource: why it is refused, and the edit that waits its turn."""

    reason: str = "Accepted"
    messages: tuple[str, ...] = ()
    plan: str = ""  # the rollout id that the plan has
    pending: str = ""
    running: str = ""


@dataclass(frozen=True)
class RolloutCondition:
    """Whether a condition holds, and why."""

    type: ConditionType
    holds: bool
    reason: str
    message: str = ""


def of_reading(reading: PlanAcceptance, *, over: bool = False) -> list[RolloutCondition]:
    """Whether the plan as it stands now is taken up; `over`: long before, by one of its name."""
    accepted = reading.reason == "Accepted"
    sound = f"the plan is sound{_OVER if over else ''}"
    said = sound if accepted else "\n".join(reading.messages)
    found = [RolloutCondition("Accepted", accepted, reading.reason, said)]
    if reading.pending:
        said = (
            f"{reading.pending} starts when {reading.running} has ended: it is judged by the plan "
            "that it began with; abort it to start sooner"
        )
        found.append(
            RolloutCondition("Pending", holds=True, reason="RolloutUnderWay", message=said)
        )
    return found


def of_rollout(state: RolloutState, seen: View | None) -> list[RolloutCondition]:
    """Where the rollout stands; an ended one is seen without evidence too."""
    ends: tuple[tuple[Phase, ConditionType], ...] = (
        ("promoted", "Promoted"),
        ("rolled back", "RolledBack"),
    )
    ended = [_ended(state, phase, kind) for phase, kind in ends]
    if state.phase == "undone":
        ended.append(_ended(state, "undone", "Undone"))
    return [_progressing(state), _blind(state, seen), *ended]


def _progressing(state: RolloutState) -> RolloutCondition:
    still: set[Phase] = {"paused", "promoted", "rolled back", "undone"}
    said = state.last.sentence if state.last else "looking for the first time"
    if state.route_problem and state.route_problem not in said:
        said += f"\nthe mesh: {state.route_problem}"
    return RolloutCondition("Progressing", state.phase not in still, camel(state.phase), said)


def _blind(state: RolloutState, seen: View | None) -> RolloutCondition:
    if state.terminal or seen is None or not seen.blind:
        return RolloutCondition(
            "Blind", holds=False, reason="Ended" if state.terminal else "Sighted"
        )
    said = "\n".join(f"{name}: {blind.reason}" for name, blind in sorted(seen.blind.items()))
    return RolloutCondition("Blind", holds=True, reason="NoEvidence", message=said)


def _ended(state: RolloutState, phase: Phase, kind: ConditionType) -> RolloutCondition:
    """An end, with the first reason of the decision that led to it."""
    if state.phase != phase or state.last is None:
        return RolloutCondition(kind, holds=False, reason=camel(state.phase))
    code = state.last.reasons[0] if state.last.reasons else state.last.action
    return RolloutCondition(kind, holds=True, reason=camel(code), message=state.last.sentence)


def dated(
    holds: Iterable[RolloutCondition], before: Sequence[dict[str, Any]], generation: int, now: float
) -> list[Condition]:
    """Conditions with the time since which each is as it is: kept while its status is the same."""
    since = {(each["type"], each["status"]): each["lastTransitionTime"] for each in before}
    made = []
    for each in holds:
        status = "True" if each.holds else "False"
        made.append(
            Condition.model_validate(
                {
                    "type": each.type,
                    "status": status,
                    "reason": each.reason,
                    "message": each.message[:LIMIT],
                    "lastTransitionTime": since.get((each.type, status), utc(now)),
                    "observedGeneration": generation,
                }
            )
        )
    return made


def utc(at: float) -> str:
    """Unix seconds as the API server writes them."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def camel(words: str) -> str:
    """`human:abort` is HumanAbort: a reason is one word of letters and digits."""
    letters = "".join(each if each.isalnum() else " " for each in words)
    return "".join(word[0].upper() + word[1:] for word in letters.split()) or "Unknown"
