"""The state of a rollout, computed from its facts; nothing else is stored.

How it works: the journal is a list of facts, and `fold` is a pure function from a state and the
next fact to the next state, with one handler for each kind of fact. A controller that starts
replays the journal; one that runs folds every fact that it appends. Both therefore reach the same
state. Times come from the facts and never from a clock.

Two tables say what a fact changes: MOVES gives the next phase, DELIVERY_MOVES what is left to do
at the mesh. A decision opens a delivery (`_deliver`), a confirmation settles it, a failure or a
drift changes what is left to do; the handlers call one method of `Delivery` each and add what
else the fact means for the rollout: times, the traffic evidence, the open command.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pydantic import ValidationError

from analysis import sample_ratio
from analysis.counting.cursor import Arm
from analysis.fast_replace import replace
from rollout.backoff import backoff
from rollout.decide.evidence.blindness import blindness
from rollout.decide.evidence.following import begin_again, begin_following, find_end
from rollout.decide.evidence.goals import note_best
from rollout.decide.evidence.update import apply_observation
from rollout.decide.record.base import describe_first
from rollout.decide.record.facts import (
    Decided,
    Fact,
    HookAnswered,
    HookCalled,
    HumanSaid,
    Learned,
    Lived,
    Observed,
    Started,
    of_rollout,
)
from rollout.decide.record.reasons import Reason
from rollout.decide.record.route_facts import Confirmed, Drifted, Followed, RouteFailed, RouteRead
from rollout.decide.record.split import Split
from rollout.decide.record.write_id import find_rollout
from rollout.decide.rules import experiment
from rollout.decide.rules.authority import may_weigh
from rollout.decide.state.following import Following
from rollout.decide.state.hooks import call_anew
from rollout.decide.state.retreat import Retreat, is_suspicion
from rollout.decide.state.rollout import (
    LOST,
    MOVES,
    NEVER,
    TERMINAL,
    HookAttempt,
    Phase,
    RolloutState,
    begin_rollout,
)
from rollout.decide.state.traffic_tally import TrafficTally
from rollout.errors import ReplayError

SLOWEST_RETRY = 30.0
"""Seconds between two attempts at most, at the mesh or of a hook."""

SLOWEST_RETRY_BACK = 5.0
"""The same where traffic is taken away from a bad version: a rollback never gets slow."""

MOST_REVERTS = 10
"""Edits between two moves that are written over; one more pauses: somebody does the same."""

# Entering one of these phases starts the deadline again: the ramp's time is not counted.
_RESTARTS_DEADLINE: set[Phase] = {"holding back", "promoting"}


def fold(state: RolloutState | None, fact: Fact, seq: int) -> RolloutState:
    """Return the state after one more fact.

    Raises ReplayError when the first fact of a rollout is not `started`, and for a fact that does
    not fit what came before it.
    """
    if state is None and not isinstance(fact, Started):
        raise ReplayError(f"entry {seq} speaks of {fact.rollout}, which was never started")
    try:
        if isinstance(fact, Started):
            return begin_rollout(fact)
        state = _begin_weighing(_note_blindness(_apply(state, fact, seq), fact))
        state = note_best(state) if isinstance(fact, Observed) else state
        return experiment.follow(state)
    except Exception as error:
        problem = f"entry {seq} ({fact.kind} of {fact.rollout}) cannot be replayed: "
        problem += describe_first(error) if isinstance(error, ValidationError) else str(error)
        raise ReplayError(problem) from error


def _apply(state: RolloutState | None, fact: Fact, seq: int) -> RolloutState:
    """Return the state after a fact of a rollout that has begun."""
    if state is None:
        raise ReplayError("no rollout has begun")
    return _HANDLERS[type(fact)](_move_clock(state, fact), fact, seq)


def _move_clock(state: RolloutState, fact: Fact) -> RolloutState:
    """Move the rollout's clock to an entry.

    An entry without lived time moves it as the wall clock does where no entry has it, and else not
    at all: it is of a process that does not look, such as a person's command.
    """
    if fact.lived is not None:
        clock = max(state.clock, state.started_at + fact.lived)
        leapt = clock if state.has_leapt(fact.at, clock) else state.leapt_clock
        return replace(state, clock=clock, is_lived=True, noted_at=fact.at, leapt_clock=leapt)
    return state if state.is_lived else replace(state, clock=fact.at, noted_at=fact.at)


def _note_blindness(state: RolloutState, fact: Fact) -> RolloutState:
    """Note since which look each guardrail is blind: a hold counts from the first one.

    After a leap of the wall clock a sample that has just come may be old. One that is blind by that
    alone begins to be so: nothing says any more that it was blind until now.
    """
    if fact.lived is None or state.is_terminal:
        return state
    state = _note_newest_sample(state)
    names = blindness(state, fact.at)
    since = {name: state.blind_since.get(name, state.clock) for name in names}
    if names and state.heard_clock >= state.clock and state.leapt_clock >= state.clock:
        certain = blindness(replace(state, leapt_clock=NEVER), fact.at)
        since |= dict.fromkeys(names.keys() - certain.keys(), state.clock)
    return state if since == state.blind_since else replace(state, blind_since=since)


def _begin_weighing(state: RolloutState) -> RolloutState:
    """Take a canary whose weight others gave as one that has stepped, once it can be judged."""
    return replace(state, stepped=True) if may_weigh(state) else state


def _note_newest_sample(state: RolloutState) -> RolloutState:
    guardrails = state.guardrails.values()
    arms: tuple[Arm, ...] = ("canary", "stable")
    newest = max((entry.newest(arm) or 0.0 for entry in guardrails for arm in arms), default=0.0)
    if newest <= state.heard_at:
        return state
    return replace(state, heard_at=newest, heard_clock=state.clock)


def fold_all(facts: Iterable[tuple[int, Fact]]) -> RolloutState:
    """Return the state after all facts of one rollout, given as (sequence number, fact)."""
    state = None
    for seq, fact in facts:
        state = fold(state, fact, seq) if of_rollout(fact) else state
    if state is None:
        raise ReplayError("no facts")
    return state


def _apply_learned(state: RolloutState, fact: Learned, _seq: int) -> RolloutState:
    """Put the pods' dispersion into the rules; a guardrail without a valid one keeps its rule.

    Where pods were found that allow no valid test, that is the rule: there is no verdict.
    """
    dispersions = fact.dispersions
    guardrail_states = {
        name: guardrail.with_dispersion(dispersions[name])
        for name, guardrail in state.guardrails.items()
        if name in dispersions and (name not in fact.unknown or name in fact.labels)
    }
    # A segment's own past is too short to tell; its errors come as all of them do.
    segments = {
        segment.name: state.segments[segment.name].with_dispersion(dispersions[segment.of])
        for segment in state.plan.spec.segment_guardrails
        if state.segments and segment.of in guardrail_states
    }
    return replace(
        state,
        learned=fact,
        learned_at=state.clock,
        guardrails={**state.guardrails, **guardrail_states},
        segments={**state.segments, **segments},
    )


def _apply_decided(state: RolloutState, fact: Decided, seq: int) -> RolloutState:
    """Change the phase, close the open command, and do what the action asks for."""
    phase = MOVES.get((state.phase, fact.action), state.phase)
    if is_suspicion(fact):
        phase = state.phase  # a step down, which is judged as every step
    if phase != state.phase and phase in _RESTARTS_DEADLINE:
        state = replace(state, resumed_at=state.clock, resumed_wall=fact.at)
    # Every decision answers the command that was open, so the command is done with.
    state = replace(state, phase=phase, last=fact, asked=None, drifted=False, looked_at=fact.at)
    if fact.controller is not None:
        state = replace(state, controller=fact.controller)
    if fact.action != "hold":
        state = replace(state, reverts=0)
    match fact.action:
        case "hold" | "end":
            return state
        case "pause":
            return _pause(state, fact)
        case "resume":
            return _resume(state, fact, seq)
        case "hold back":
            late = {name: own.held_back() for name, own in state.guardrails.items()}
            segments = {name: own.held_back() for name, own in state.segments.items()}
            return _deliver(replace(state, guardrails=late, segments=segments), fact, seq)
        case _:
            return _deliver(state, fact, seq)


def _deliver(state: RolloutState, fact: Decided, seq: int) -> RolloutState:
    """Want the decided split at the mesh."""
    gives_weight = fact.split.canary > 0
    if state.is_observer and state.split.canary:  # others gave what is taken back
        state = replace(state, first_write=state.first_write or LOST)
    is_retreat = fact.action == "retreat"
    if is_retreat:  # it climbs again, from the first step on
        state = replace(state, trial=replace(state.trial, has_moved=False))
    if fact.action == "reallocate":
        moved = replace(state.trial, has_moved=True, moved_looks=state.goal_looks)
        state = replace(state, trial=moved)
    if is_suspicion(fact):
        state = replace(state, suspicions=state.suspicions + 1)
    elif is_retreat:
        # What only one arm counted says nothing of the shares.
        state = _reset_traffic_evidence(state)
        state = replace(state, retreat=Retreat(state.retreats + 1, fact.at))
    return replace(
        state,
        following=None,
        first_write=state.first_write or (seq if gives_weight else 0),
        move=fact,
        moved_at=state.clock,
        delivery=state.delivery.want(fact.split, seq, fact.at),
        stepped=state.stepped or fact.action != "make route",
        is_spared=not gives_weight and _was_only_refused(state),
        paused_at=state.paused_at if is_retreat else None,
    )


def _pause(state: RolloutState, fact: Decided) -> RolloutState:
    """Begin a pause, or renew its reason; a pause for a refusal gives the refused split up."""
    is_refusal, delivery = Reason.ROUTE_REFUSED in fact.reasons, state.delivery
    is_unsent = is_refusal and _was_only_refused(state)
    return replace(
        state,
        delivery=delivery.give_up() if is_refusal else delivery,
        first_write=0 if is_unsent else state.first_write,
        following=_end_following(state),
        pause=fact,
        paused_at=state.clock if state.paused_at is None else state.paused_at,
    )


def _was_only_refused(state: RolloutState) -> bool:
    """Return whether the first write was tried and only ever refused.

    It has changed nothing then, so nothing is ours to undo; but a policy is written before the
    weights.
    """
    is_tried = state.delivery.attempts > 0
    return is_tried and state.is_first_write_unsent and state.plan.spec.policy is None


def _end_following(state: RolloutState) -> Following | None:
    """Return the following that goes on in a pause: only a retreat is still waited for."""
    following = state.following
    return following if following is not None and following.end == "retreated" else None


def _resume(state: RolloutState, fact: Decided, seq: int) -> RolloutState:
    """End the pause; after a refusal, write the split again and count its traffic from zero."""
    state = replace(state, paused_at=None, resumed_at=state.clock, resumed_wall=fact.at)
    if Reason.ROUTE_AGAIN not in fact.reasons:
        return replace(state, delivery=replace(state.delivery, problem=""))
    # After a refusal nobody knows which split the mesh held meanwhile.
    state = _reset_traffic_evidence(state)
    return replace(state, delivery=state.delivery.rewrite(seq, fact.at))


def _apply_confirmed(state: RolloutState, fact: Confirmed, _seq: int) -> RolloutState:
    """Settle the delivery, and end the phase that waited for it."""
    delivery = state.delivery
    if not delivery.awaits(fact.decision):
        return state
    # Metrics show mirrored requests for a while after mirroring ends; `may_hold_mirrored` counts
    # that lag from this time.
    mirroring_ended = state.split.way == "mirror" and fact.split.way != "mirror"
    # A policy drift survives where nothing was written (a read only) or the plan adopts it.
    keeps_drift = not delivery.has_to_write or state.plan.spec.on_drift == "adopt"
    return replace(
        state,
        delivery=delivery.confirm(state.at_server(fact.at), state.clock),
        **_end_delivery(state, fact),
        is_unreached=fact.unreachable,
        mirrored_until=state.at_server(fact.at) if mirroring_ended else state.mirrored_until,
        policy_drift=state.policy_drift if keeps_drift else fact.left,
        steady_at=None,
    )


def _end_delivery(state: RolloutState, fact: Confirmed) -> dict[str, Any]:
    """Return the phase after a confirmation, and how its write is followed."""
    following = state.following
    if state.phase == "following" and following is not None:
        if fact.unreachable:
            return {"phase": MOVES[state.phase, following.end]}
        is_written = state.delivery.has_to_write
        return {"following": begin_again(state, following, fact.at)} if is_written else {}
    end = find_end(state)
    if not fact.follows or end is None:
        return {"phase": MOVES.get((state.phase, "confirmed"), state.phase)}
    if following is not None and not state.delivery.has_to_write:
        return {}  # it was only read again
    return {
        "phase": MOVES.get((state.phase, "written"), state.phase),
        "following": begin_following(state, end, fact.at),
    }


def _apply_followed(state: RolloutState, fact: Followed, _seq: int) -> RolloutState:
    """End the rollout, or note how the traffic follows its last write after the end."""
    following = state.following
    if following is None:
        return state
    return replace(
        state,
        phase=MOVES.get((state.phase, following.end), state.phase),
        calls=call_anew(state, "notFollowed") if fact.outcome == "not followed" else state.calls,
        following=replace(
            following,
            outcome=fact.outcome,
            sentence=fact.sentence,
            ended_at=following.ended_at or state.clock,
            vouched=None,
        ),
    )


def _apply_route_failed(state: RolloutState, fact: RouteFailed, _seq: int) -> RolloutState:
    """Count the failed attempt and set the time of the next one."""
    if fact.decision != state.delivery.decision:
        return state
    retry_at = fact.at + backoff(fact.attempt, 1.0, find_slowest_retry(state))
    return replace(state, delivery=state.delivery.fail(fact, retry_at))


def find_slowest_retry(state: RolloutState) -> float:
    """Return the seconds between two attempts at a rollout's write at most."""
    return SLOWEST_RETRY_BACK if state.is_going_back else SLOWEST_RETRY


def _apply_human_said(state: RolloutState, fact: HumanSaid, _seq: int) -> RolloutState:
    """Open the command; the next decision answers it."""
    if fact.command == "confirm" and state.phase in TERMINAL:
        return _vouch(state, fact)
    # A promotion can be undone; any other command to an ended rollout has no effect.
    if state.phase in TERMINAL and (state.phase, fact.command) != ("promoted", "undo"):
        return state
    if fact.command == "abandon":
        return _abandon(state, fact)
    return replace(state, asked=fact, led_before=(*state.led_before, *fact.others))


def _vouch(state: RolloutState, fact: HumanSaid) -> RolloutState:
    """Note that a person says that traffic follows a write, where the counts said otherwise."""
    following = state.following
    if following is None or not following.blocks_next:
        return state
    return replace(state, following=replace(following, vouched=fact))


def _abandon(state: RolloutState, fact: HumanSaid) -> RolloutState:
    """Let a rollback end where its mesh cannot be reached; one that has yet to begin begins."""
    abort = None if state.is_going_back else fact.model_copy(update={"command": "abort"})
    return replace(state, abandoned=fact, asked=abort)


def _apply_drifted(state: RolloutState, fact: Drifted, _seq: int) -> RolloutState:
    """Write over the edit, or take it as what the mesh shows, as the plan's `onDrift` says."""
    state = _reset_traffic_evidence(state) if fact.anew else state
    is_lost = not state.first_write and state.is_going_back
    if not state.first_write:
        state = replace(state, first_write=LOST if is_lost else _find_lost_write(fact))
    if _is_put_back(state, fact):
        state = replace(state, put_back_at=state.clock)
    # A write that has all traffic at stable again is repeated, whatever the plan says of drift.
    # So is one that had nothing to take back by a journal that lacks our first write.
    is_taken_back = state.is_following and state.is_going_back and fact.seen.canary > 0
    is_taken_back = is_taken_back or is_lost
    is_moved = fact.seen != state.wanted
    if is_taken_back or (state.plan.spec.on_drift == "revert" and _may_revert(state, fact)):
        return replace(
            state,
            delivery=state.delivery.revert(fact.at),
            reverts=state.reverts + 1,
        )
    return replace(
        state,
        drift_writer=fact.writer,
        is_mark_gone=fact.unmarked,
        delivery=state.delivery.drift(fact.seen, state.at_server(fact.at), state.clock),
        # A retreat whose split is another now is not followed any more.
        following=state.following if state.is_following or not is_moved else None,
        drifted=True,
        policy_drift=fact.policy,
        steady_at=None,
        # Where somebody else set the weight, the ramp goes on from there.
        trial=replace(state.trial, has_moved=state.trial.has_moved and not is_moved),
    )


def _find_lost_write(fact: Drifted) -> int:
    """Return LOST where a decision of this rollout wrote what is seen; 0 where another's did.

    A rollback has to take it back all the same.
    """
    return LOST if find_rollout(fact.writer) == fact.rollout else 0


def _may_revert(state: RolloutState, fact: Drifted) -> bool:
    """Return whether an edit may be written over, where the plan says `onDrift: revert`.

    Another controller would write over ours in turn, without end, or has rolled back and left no
    mark. A split that is wanted because
    another was refused is no decision's, and every write is exactly one record's. Journals without
    lived time are decided as they were.
    """
    if fact.lived is None:
        return True
    is_given_up = state.move is not None and state.move.split != state.wanted
    is_others = bool(fact.writer) or fact.unmarked
    return not is_others and not is_given_up and state.reverts < MOST_REVERTS


def _is_put_back(state: RolloutState, fact: Drifted) -> bool:
    """Return whether a drift shows exactly what our last write had changed.

    Journals without a `RouteRead` are decided as they were: nobody waited for it then.
    """
    is_ours = bool(state.first_write) and state.route_read is not None
    return is_ours and fact.seen == state.delivery.previous != state.split


def _apply_route_read(state: RolloutState, fact: RouteRead, _seq: int) -> RolloutState:
    """Keep what the mesh shows; a first write that was not sent is taken back."""
    if not state.first_write and state.live != (fact.split or state.split):
        # What was counted so far is of another split than the one before our first write.
        state = _reset_traffic_evidence(state)
    retreat = state.retreat
    if retreat is not None and fact.has_endpoints is False:
        retreat = replace(retreat, has_lost_endpoints=True)
    # A first write that the journal lost is no decision of it: both numbers are 0 then.
    is_withdrawn = bool(fact.withdrawn) and fact.withdrawn == state.delivery.decision
    is_before = is_withdrawn or not state.first_write
    led_before = fact.leading if is_before else (*state.led_before, *fact.lacking)
    state = replace(state, route_read=fact, retreat=retreat, led_before=led_before)
    if state.phase == "observing" and fact.split is not None and not fact.problem:
        return _take_live(state, fact.split, fact.at)
    if not is_withdrawn:
        return state
    return replace(
        state,
        delivery=state.delivery.withdraw(),
        phase=MOVES.get((state.phase, "withdrawn"), state.phase),
        first_write=0,
        stepped=False,
    )


def _take_live(state: RolloutState, split: Split, at: float) -> RolloutState:
    """Take the live split as what is wanted and confirmed: who only observes has no other."""
    if split == state.split:
        return state
    has_mirrored = state.split.way == "mirror"
    return replace(
        state,
        delivery=state.delivery.drift(split, state.at_server(at), state.clock),
        mirrored_until=state.at_server(at) if has_mirrored else state.mirrored_until,
        moved_at=state.clock,
        steady_at=None,
    )


def _reset_traffic_evidence(state: RolloutState) -> RolloutState:
    """Forget the counted traffic shares: the mesh may have held another split meanwhile."""
    guardrail_states = {
        name: replace(guardrail, expected=0.0, label_shares=(), labels=TrafficTally())
        for name, guardrail in state.guardrails.items()
    }
    return replace(
        state,
        shares=sample_ratio.start_again(state.shares),
        traffic_tally=TrafficTally(),
        guardrails=guardrail_states,
    )


def _apply_hook_called(state: RolloutState, fact: HookCalled, _seq: int) -> RolloutState:
    """Note that the hook's call has begun."""
    spent = state.calls.get(fact.hook, HookAttempt()).spent
    call = HookAttempt(attempt=fact.attempt, calling=True, again_at=fact.at, spent=spent)
    return replace(state, calls={**state.calls, fact.hook: call})


def _apply_hook_answered(state: RolloutState, fact: HookAnswered, _seq: int) -> RolloutState:
    """Note how the call ended, and when the next one may begin."""
    spent = state.calls.get(fact.hook, HookAttempt()).spent
    call = HookAttempt(
        attempt=fact.attempt,
        ok=not fact.problem and fact.attempt > spent,
        problem=fact.problem,
        at=state.clock,
        again_at=fact.at + backoff(max(fact.attempt - spent, 1), 2.0, 30.0),
        spent=spent,
    )
    return replace(state, calls={**state.calls, fact.hook: call})


_HANDLERS: dict[type, Callable[[RolloutState, Any, int], RolloutState]] = {
    Observed: apply_observation,
    Lived: lambda state, _fact, _seq: state,
    Learned: _apply_learned,
    Decided: _apply_decided,
    Confirmed: _apply_confirmed,
    Followed: _apply_followed,
    RouteFailed: _apply_route_failed,
    HumanSaid: _apply_human_said,
    Drifted: _apply_drifted,
    RouteRead: _apply_route_read,
    HookCalled: _apply_hook_called,
    HookAnswered: _apply_hook_answered,
}
