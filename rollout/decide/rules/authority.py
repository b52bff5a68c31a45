"""What an authority makes of the choice that full authority would take.

How it works: who only observes has no ramp. The live split is taken as it is, and the rules are
asked on the state that a rollout with full authority would have at this weight (`act_as_full`).
Their answer is recorded as what would be done, and nothing is done. With `abort-only` a rollback is
done. With `advance` the rules are asked as ever, and a promotion that no person asked for is a
pause in front of one.
"""

from __future__ import annotations

from analysis.fast_replace import replace
from rollout.decide.evidence.baseline import baseline_complete
from rollout.decide.record.facts import WouldBe
from rollout.decide.record.reasons import Reason
from rollout.decide.rules.choice import Choice, hold, pause
from rollout.decide.rules.ramp import is_holdback
from rollout.decide.rules.view import View
from rollout.decide.state.rollout import LOST, Phase, RolloutState


def act_as_full(state: RolloutState) -> RolloutState:
    """Return the state that full authority would have at the live split; the rules judge it.

    Whoever moves the weights may own the route, so that neither an owner nor another's mark stands
    against what we would do.
    """
    if state.phase != "observing":
        return state
    read, phase = state.route_read, _find_phase(state)
    return replace(
        state,
        phase=phase,
        resumed_at=state.moved_at if phase == "promoting" else state.resumed_at,
        first_write=state.first_write or LOST,
        route_read=read and read.model_copy(update={"owner": "", "writer": ""}),
    )


def _find_phase(state: RolloutState) -> Phase:
    """Return the phase of full authority at the live split: others may have promoted by now.

    A canary with all traffic is compared with nothing, unless the plan compares it with before.
    """
    if state.split.canary and not state.split.stable and state.plan.spec.before is None:
        return "promoting"
    return "holding back" if is_holdback(state) else "stepping"


def may_weigh(state: RolloutState) -> bool:
    """Return whether an observed canary's evidence is weighed from now on.

    It is once the canary has weight, and all is known that full authority wants to know before its
    first step: stable's past, and its looks from before a switch.
    """
    if state.phase != "observing" or state.stepped or not state.split.canary:
        return False
    if not state.guardrails:  # a fleet folds without evidence, and all again with it
        return False
    is_learned = state.learned is not None or not state.reads_past
    pods = state.plan.spec.declared_pods
    is_tested = pods is None or not state.unknown or pods.when_unknown == "assume"
    return is_learned and is_tested and baseline_complete(state)


def unweighted(view: View) -> Choice | None:
    """Hold while the live split gives nothing to compare: the route, the canary or stable lacks."""
    state, read = view.state, view.state.route_read
    if not state.is_observer:
        return None
    if read is None or read.problem:
        return hold(view, Reason.ROUTE_UNREAD)
    is_compared = state.split.stable or state.plan.spec.before is not None
    return None if state.split.canary and is_compared else hold(view, Reason.AWAITING_WEIGHT)


def limit(before: RolloutState, view: View, choice: Choice) -> Choice:
    """Return what the rollout's authority makes of a choice of full authority; `view` led to it."""
    if before.phase == "observing":
        return _observe(before, view, choice)
    if before.authority == "advance" and choice.action == "promote" and not _is_granted(before):
        return _ask_for_promotion(view, choice)
    return choice


def _observe(before: RolloutState, view: View, choice: Choice) -> Choice:
    is_back = choice.action == "roll back"
    if is_back and before.authority == "abort-only":
        return choice
    would = WouldBe(action=choice.action, split=choice.split)
    is_aborted = before.asked is not None and before.asked.command == "abort"
    is_over = is_aborted or view.clock >= before.due_at
    return Choice("end" if is_over else "hold", before.wanted, choice.reasons, would)


def _ask_for_promotion(view: View, choice: Choice) -> Choice:
    if choice.reasons == (Reason.HUMAN.of("promote"),):
        return choice
    would = WouldBe(action=choice.action, split=choice.split)
    asking = pause(view, Reason.AWAITING_PERSON, *choice.reasons)
    return replace(asking, would=would)


def _is_granted(state: RolloutState) -> bool:
    """Return whether a person has ended the pause before this promotion, and nothing moved since.

    A `resume` lets the rules decide, a `promote` promotes at once.
    """
    asking, move = state.pause, state.move
    if asking is None or asking.would is None or state.phase == "paused":
        return False
    return move is None or move.at <= asking.at
