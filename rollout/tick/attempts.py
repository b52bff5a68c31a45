"""The commands `undo`, `confirm` and `retry`: the facts they lead to, or why they cannot apply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from rollout.decide.record.facts import Command, Fact, HumanSaid, Started
from rollout.decide.record.split import FINE
from rollout.decide.record.write_id import attempt_id
from rollout.decide.rules.calibration import lacks_calibration
from rollout.decide.rules.ramp import total_of
from rollout.decide.state.rollout import RolloutState
from rollout.decide.text.arms import name_arms
from rollout.errors import InputError
from rollout.plan.model.plan import Plan
from rollout.plan.model.terms import FULL, Authority, find_narrowest
from rollout.tick.fleet import Fleet

Again = Literal["undo", "retry", "confirm"]

OldVersionCheck = Callable[[Plan], str]
"""Explains why the old version of a plan cannot answer requests; empty where it can."""

_AGAIN: Mapping[Command, Again] = {"undo": "undo", "confirm": "confirm"}
_FRESH = 10.0  # seconds


@dataclass
class EndpointCheck:
    """An `OldVersionCheck` by endpoints: none refuses an undo, and unknown does not.

    `ask` tells whether stable has ready endpoints, None where nobody can tell: then `on_unknown`
    gets that in words. `now` is the time in seconds. An answer holds for a while: a command that
    other writers overtook is decided again at once, and a refused annotation at every tick.

    Of a plan with `awaitEndpoints: false` nothing is asked: its versions scale from zero, so that
    requests are what starts the old one.
    """

    ask: Callable[[Plan], bool | None]
    now: Callable[[], float]
    on_unknown: Callable[[str], None] = lambda _: None
    _answers: dict[str, tuple[float, str]] = field(default_factory=dict)

    def __call__(self, plan: Plan) -> str:
        if not plan.spec.waits_for_endpoints:
            return ""
        now, rollout = self.now(), plan.id
        at, problem = self._answers.get(rollout, (now - _FRESH, ""))
        if not 0 <= now - at < _FRESH:
            problem = self._explain(plan)
            self._answers[rollout] = now, problem
        return problem

    def _explain(self, plan: Plan) -> str:
        """Ask, and say why the old version cannot answer; empty where it can, or is unknown."""
        version, where = plan.spec.stable.version, _describe_stable(plan)
        has_endpoints = self.ask(plan)
        if has_endpoints is None:
            self.on_unknown(f"unknown whether {version} has endpoints ({where})")
        if has_endpoints is not False:
            return ""
        return (
            f"{version} has no ready endpoint ({where}), so nothing would answer: scale it up "
            f"first, or undo all the same with `surefoot undo {plan.name} --force` or the "
            "annotation `surefoot.dev/force-undo`"
        )


def started(
    plan: Plan,
    *,
    at: float,
    controller: str,
    attempt: int = 1,
    uncalibrated: bool = False,
    can_read_past: bool = False,
    authority: Authority | None = None,
) -> Started:
    """Return the fact that begins an attempt of a plan.

    `authority` is the installation's; the narrower of both is recorded, where it is not full.
    Who only observes reads weights that others set, so the total does not follow from the plan.
    The past is read where the observer can; a comparison with the time before a switch has its own.
    """
    narrowest = find_narrowest(plan.spec.authority, authority)
    return Started(
        rollout=attempt_id(plan.id, attempt),
        at=at,
        lived=0.0,
        plan=plan.document(),
        digest=plan.digest,
        total=FINE if narrowest == "observe" else total_of(plan),
        controller=controller,
        uncalibrated=uncalibrated,
        attempt=attempt,
        reads_past=can_read_past and (plan.spec.learns_totals or plan.spec.finds_pods),
        finds_pods=can_read_past and plan.spec.finds_pods,
        late_shares=True,
        suspects=True,
        watches_collapse=True,
        prometheus=plan.spec.prometheus.default,
        authority=None if narrowest == FULL else narrowest,
    )


def cannot_apply(
    fleet: Fleet, command: Again, rollout: str, check: OldVersionCheck | None = None
) -> str:
    """Explain why there is nothing to undo or to retry; empty where there is.

    `check` is asked last, and only for an undo: can the old version answer?
    """
    state = fleet.states[rollout]
    if command == "undo" and state.is_following and state.end == "promoted":
        return check(state.plan) if check else ""
    if not state.is_terminal:
        is_given = state.first_write or (state.authority == "abort-only" and state.split.canary)
        way_out = f"sends all traffic to {state.versions[0]}" if is_given else "ends it"
        return f"{rollout} has not ended ({state.phase}): `surefoot abort` {way_out}"
    if command == "undo":
        return _cannot_undo(fleet, rollout) or (check(state.plan) if check else "")
    if command == "confirm":
        is_needed = state.following is not None and state.following.blocks_next
        return "" if is_needed else f"nothing says that traffic does not follow {rollout}"
    is_promoted = state.phase == "promoted"
    reason = f"{rollout} was promoted, nothing to retry: {state.versions[1]} has all traffic"
    return reason if is_promoted else ""


def _cannot_undo(fleet: Fleet, rollout: str) -> str:
    """Explain why an ended rollout is no promotion to undo; empty where it is."""
    state = fleet.states[rollout]
    if state.phase == "observed":
        return f"{rollout} only observed, nothing to undo"
    if state.phase != "promoted":
        return f"{rollout} was {state.phase}, nothing to undo: {state.versions[0]} has all traffic"
    if (other := fleet.under_way(state.plan)) is not None:
        phase = fleet.states[other].phase
        return f"{other} is under way ({phase}): {fleet.how_to_end(other)}; then undo {rollout}"
    newest = fleet.newest_promotion(state.plan)
    return (
        f"{newest} was promoted after {rollout}: undo that one first" if newest != rollout else ""
    )


def facts_for(
    fleet: Fleet, fact: HumanSaid, controller: str, check: OldVersionCheck | None = None
) -> list[Fact]:
    """Return the facts to record in one transaction: the command, and a retry's new attempt.

    A forced command skips `check`. Raises InputError where the command cannot apply, or the plan
    may not begin.
    """
    command = _AGAIN.get(fact.command, "retry")
    if problem := cannot_apply(fleet, command, fact.rollout, None if fact.forced else check):
        raise InputError(problem)
    if command == "confirm":
        return [fact]
    if command == "undo":
        plan = fleet.states[fact.rollout].plan
        is_past, others = fleet.newest_of(plan) != fact.rollout, fleet.list_moved_beside(plan)
        return [fact.model_copy(update={"past_successor": is_past, "others": others})]
    return [fact, _start_next_attempt(fleet, fleet.states[fact.rollout], fact.at, controller)]


def _start_next_attempt(fleet: Fleet, state: RolloutState, at: float, controller: str) -> Started:
    """Return the start of the next attempt: same plan, new id, no evidence carried over."""
    plan = state.plan
    fleet.check_fits(plan)
    lacking = lacks_calibration(plan, fleet.calibrations.get(plan.id))
    if lacking and not state.uncalibrated:
        raise InputError(lacking)
    return started(
        plan,
        at=at,
        controller=controller,
        attempt=state.attempt + 1,
        uncalibrated=bool(lacking),
        can_read_past=state.reads_past,
        authority=state.authority,
    )


def _describe_stable(plan: Plan) -> str:
    """Name the object by which the mesh knows the old version."""
    route, name = plan.spec.route, name_arms(plan)[0]
    if route.envoy is not None:
        return f"cluster {name} of Envoy"
    is_host = route.istio is not None and route.istio.hosts is not None
    kind = "Service " if route.gateway is not None else "host " if is_host else ""
    return f"{kind}{name} in namespace {plan.metadata.namespace}"
