"""Whether whoever moves traffic beside a rollout may go on: go, wait or stop, and why.

It answers the question of a pipeline, of an AnalysisTemplate or of a webhook, by the evidence and
the rules that the rollout itself goes by. Nothing is changed by asking.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from rollout.decide.record.reasons import Reason, first_reason
from rollout.decide.rules.view import View
from rollout.decide.state.rollout import Phase, RolloutState
from rollout.decide.text.measurement import NEAR
from rollout.decide.text.numbers import join
from rollout.explain.status import judge_now
from rollout.plan.fields.units import percent
from rollout.redact import redact_values

Goal = Literal["step", "promotion"]
GOALS: tuple[Goal, ...] = get_args(Goal)
"""What is asked for: more weight for the canary, or all of it for good."""

Answer = Literal["go", "wait", "stop"]

_STOPPED: frozenset[Phase] = frozenset({"reverting", "rolled back", "undoing", "undone"})
_PROMOTED: frozenset[Phase] = frozenset({"promoting", "following", "promoted"})
_HELD: Mapping[Phase, str] = {
    "paused": "the rollout is paused",
    "waiting": "the rollout has not taken its first step",
    "retreated": "the canary has gone back, and climbs again later",
}


@dataclass(frozen=True)
class Permission:
    """The answer for one rollout at one moment; `weight` is the canary's share, 0 to 1.

    `why` is a sentence, `decision` the number of the newest decision (0 before the first), and
    `guardrails` has the verdict of each. `rolls_back` is true where it is to stop because it is
    rolled back, is to be or would be, and not because nobody judges it any more. The field names
    are the keys of `verdict --json`.
    """

    rollout: str
    name: str
    goal: Goal
    answer: Answer
    why: str
    phase: Phase
    weight: float
    decision: int
    guardrails: Mapping[str, str]
    rolls_back: bool

    def as_json(self) -> dict[str, Any]:
        """Return the object of `verdict --json` and of the API, whose keys are stable."""
        return asdict(self)


def give_permission(rollout: str, state: RolloutState, goal: Goal, now: float) -> Permission:
    """Answer whether the canary may get more weight, or all of it, at `now` in unix seconds.

    stop: it is rolled back or undone, or is about to be; or its observation has ended and proved
    nothing, so that asking again would not help. wait: what is needed is not known or not
    there yet. go for a step: every guardrail has fresh data, and the evidence of harm is at a
    distance from a rollback; for a promotion each is proven safe too.
    """
    rollout_view = judge_now(state, now)
    answer, why = _judge(state, rollout_view, goal)
    permission = Permission(
        rollout=rollout,
        name=state.plan.name,
        goal=goal,
        answer=answer,
        why=why,
        phase=state.phase,
        weight=state.live.served_share,
        decision=state.delivery.decision,
        guardrails={name: own.kind for name, own in rollout_view.judgement.verdicts.items()},
        rolls_back=answer == "stop" and _is_going_back(state, rollout_view),
    )
    return redact_values(permission)


def _judge(state: RolloutState, now: View, goal: Goal) -> tuple[Answer, str]:
    if state.phase in _STOPPED or state.is_going_back:
        return "stop", state.move.sentence if state.move else "all traffic goes back to stable"
    if state.phase in _PROMOTED:
        return _judge_promoted(state, now)
    if now.judgement.harmful:
        verb = "would" if state.authority == "observe" else "is to"
        cause = join(now.judgement.cause)
        return "stop", f"harm is shown by {cause}: the canary {verb} be rolled back"
    return (
        _judge_observed(state, now) if state.phase == "observed" else _judge_going(state, now, goal)
    )


def _judge_going(state: RolloutState, now: View, goal: Goal) -> tuple[Answer, str]:
    """Answer for a canary that is compared and shows no harm."""
    if obstacle := _describe_phase(state) or _find_obstacle(state, now):
        return "wait", obstacle
    if goal == "promotion" and not now.judgement.safe:
        names = [name for name, own in now.judgement.verdicts.items() if not own.lets_promote]
        return "wait", f"not proven safe yet: {join(names)}"
    what = "every guardrail is proven safe" if now.judgement.safe else "no guardrail shows harm"
    share = percent(round(max(now.judgement.joint_share, 0.0), 2))
    return "go", f"{what}; the evidence of harm is {share} of a rollback's"


def _describe_phase(state: RolloutState) -> str:
    """Return why a rollout takes no step in its phase; empty where it may."""
    if state.phase == "paused" and state.pause is not None:
        return state.pause.sentence
    return _HELD.get(state.phase, "")


def _judge_observed(state: RolloutState, now: View) -> tuple[Answer, str]:
    """Answer for an observation that has ended without harm: nothing more will be known of it."""
    ended = state.last.sentence if state.last else "the observation has ended"
    if now.judgement.safe:
        return "go", "the observation has ended with every guardrail proven safe"
    if _find_wish_at_end(state) == "promote":
        return "go", ended
    return "stop", f"nobody looks any more (surefoot retry observes again): {ended}"


def _is_going_back(state: RolloutState, now: View) -> bool:
    """Return whether a canary that is to stop is rolled back, is to be, or would be."""
    if state.phase != "observed":
        return True
    return bool(now.judgement.harmful) or _find_wish_at_end(state) == "roll back"


def _find_wish_at_end(state: RolloutState) -> str:
    """Return what full authority would have done at the last look; empty where a person ended it.

    A person ends an observation by `abort`, which says nothing of the canary.
    """
    last = state.last
    if last is None or last.would is None or first_reason(last.reasons) is Reason.HUMAN:
        return ""
    return last.would.action


def _judge_promoted(state: RolloutState, now: View) -> tuple[Answer, str]:
    following = state.following
    if following is not None and following.blocks_next:
        return "wait", "the canary is promoted, and traffic does not follow"
    if state.phase != "promoted":
        is_harmful = now.judgement.harmful
        return ("stop", "it shows harm") if is_harmful else ("wait", "the promotion is under way")
    return "go", state.move.sentence if state.move else "the canary is promoted"


def _find_obstacle(state: RolloutState, now: View) -> str:
    """Return what stands in the way of more weight; empty where nothing does."""
    obstacles = (
        (bool(now.blind), _describe_blind(now)),
        (not state.wanted.canary and state.is_observer, "the route gives the canary no weight"),
        (state.delivery.is_open, "the mesh has not confirmed the last weight"),
        (now.is_skewed, "the counted share of traffic contradicts the weight"),
        (bool(now.suspected), f"worse than stable, as far as it looks: {join(now.suspected)}"),
        (now.near_harm, f"the evidence of harm is above {percent(NEAR)} of a rollback's"),
        (state.stepped and not now.is_baked, "the bake time of this step is not over"),
    )
    return next((words for stands, words in obstacles if stands), "")


def _describe_blind(now: View) -> str:
    return "; ".join(f"{name}: {blind.reason}" for name, blind in sorted(now.blind.items()))
