"""What comes after a decision: who does what, and when."""

from __future__ import annotations

from collections.abc import Callable

from rollout.decide.record.facts import Action
from rollout.decide.record.reasons import Reason, split_reason
from rollout.decide.state.rollout import RolloutState
from rollout.decide.text.arms import name_arms
from rollout.plan.fields.units import duration

_MENDING = {
    Reason.AWAITING_ENDPOINTS: "start the canary's pods, or find why none is ready",
    Reason.BLIND: "find the missing data (surefoot doctor)",
    Reason.BLIND_TOO_LONG: "find the missing data (surefoot doctor)",
    Reason.HOOK_FAILED: "make the hook answer",
    Reason.NOT_AT_STABLE: "move all traffic to stable, or mend the plan's names",
    Reason.NOT_FOLLOWED: "find what still sends requests to the canary",
    Reason.RETREATS_USED_UP: "find why the canary stops to report",
    Reason.NO_VALID_TEST: "accept the risk, or give a longer history or more pods",
    Reason.ROUTE_CONDITIONS: "mend what the mesh reports",
    Reason.ROUTE_UNREAD: "make the route readable, or name the right one",
    Reason.ROUTE_REFUSED: "make the mesh accept the change",
}
"""What a person does first, before a paused rollout is resumed or one that ended is tried again."""

_PROOF = {
    False: "more traffic, a longer deadline or a wider margin may prove it",
    True: "a longer time before the switch or a wider margin may prove it",
}
"""What may bring a proof, by whether all of stable's samples from before a switch are used up."""


def next_step(state: RolloutState, action: Action, reasons: tuple[str, ...]) -> str:
    """Describe what follows a decision; empty where the decision itself says it."""
    codes = _list_codes(reasons)
    last = state.last
    if Reason.INCONCLUSIVE in codes and last is not None and last.action == "hold":
        codes += _list_codes(last.reasons)  # what it waited for when its time was over
    if action == "pause":
        return _after_pause(state, codes)
    if action == "roll back":
        return _after_rollback(state, codes)
    describe = _AFTER_HOLD.get(codes[0]) if action == "hold" and codes else None
    return describe(state) if describe else ""


def _list_codes(reasons: tuple[str, ...]) -> list[str]:
    return [split_reason(reason)[0] for reason in reasons]


def _after_pause(state: RolloutState, codes: list[str]) -> str:
    first = _find_mending(codes)
    return f"{first}, then {_name_commands(state)}" if first else _name_commands(state)


def _after_rollback(state: RolloutState, codes: list[str]) -> str:
    """Say what to do before another try: only harm asks for another canary."""
    stable, canary = state.versions
    retry = f"surefoot retry {state.plan.name}"
    if codes[:1] == [Reason.PATIENCE_OVER] and state.pause is not None:
        codes = _list_codes(state.pause.reasons)
    if Reason.NOT_BETTER in codes:
        return f"{stable} stays; {retry} asks again"
    if Reason.HARMFUL in codes or Reason.WORSE in codes:
        return f"fix {canary}, then {retry}"
    if first := _find_mending(codes):
        return f"{first}, then {retry}"
    if Reason.INCONCLUSIVE in codes or Reason.USED_UP in codes:
        return f"{_PROOF[Reason.USED_UP in codes]} (surefoot rehearse tells), or {retry} as it is"
    return f"{retry} starts it again"


def _find_mending(codes: list[str]) -> str:
    return next((text for code, text in _MENDING.items() if code in codes), "")


def _name_commands(state: RolloutState) -> str:
    patience = duration(state.plan.spec.patience)
    name = state.plan.name
    return f"surefoot resume, promote or abort {name}, without one it rolls back after {patience}"


def _after_blindness(state: RolloutState) -> str:
    policy = state.plan.spec.when_blind
    then = "pauses" if policy.then == "pause" else "rolls back"
    return f"continues with the next samples, without any it {then} after {duration(policy.hold)}"


def _after_wrong_route(state: RolloutState) -> str:
    """Name the cure of a route that is not at stable: the names, or the traffic."""
    stable, canary = name_arms(state.plan)
    move = f"move all traffic to {stable}"
    if state.route_read is not None and state.route_read.problem:
        return f"{move} first, or name the routes that are to move in spec.route"
    if not state.live.stable:
        return f"swap the names {stable} and {canary} in spec.route, or {move} first"
    return f"{move} first"


def _after_conditions(state: RolloutState) -> str:
    """Name who ends the wait: a person, where somebody put our write back."""
    if state.is_put_back:
        return f"end the other writer's work on the route, then surefoot resume {state.plan.name}"
    return "continues when nothing stands against it, surefoot doctor names each and its cure"


def _after_retreat(state: RolloutState) -> str:
    resume = f"surefoot resume {state.plan.name}"
    has_lost = state.retreat is not None and state.retreat.has_lost_endpoints
    begins = "it climbs again from the first step"
    if has_lost:
        return f"{begins} when its endpoints answer, or {resume}"
    return f"find why it reports nothing, then {resume}: {begins}"


_AFTER_HOLD: dict[str, Callable[[RolloutState], str]] = {
    Reason.AWAITING_ENDPOINTS: lambda _: (
        "begins with its first ready pod, `awaitEndpoints: false` begins without one"
    ),
    Reason.BLIND: _after_blindness,
    Reason.EXPOSURE_MISMATCH: lambda _: "find the traffic that goes around the route",
    Reason.LABELS_DIFFER: lambda _: "find why one version is labelled less often than the other",
    Reason.NOT_AT_STABLE: _after_wrong_route,
    Reason.RETREATED: _after_retreat,
    Reason.ROUTE_CONDITIONS: _after_conditions,
    Reason.ROUTE_UNREAD: lambda _: (
        "create the route or mend what spec.route names, surefoot doctor says which rule lacks"
    ),
}
