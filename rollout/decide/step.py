"""The one decision rule: the first rule that has something to say, safety before progress."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from analysis import shares
from analysis.verdict import Guarded, Judgement, judge
from rollout.decide import say
from rollout.decide.before import watched
from rollout.decide.blind import Blind, blindness
from rollout.decide.calls import awaited, failed
from rollout.decide.compared import observational
from rollout.decide.exposure import mirror_of
from rollout.decide.facts import REFUSED, Action, Decided
from rollout.decide.ramp import at_top, held_back, next_split
from rollout.decide.split import Split
from rollout.decide.state import Phase, State

CLIMBING: frozenset[Phase] = frozenset({"waiting", "stepping", "holding back"})
"""Phases that a pause can interrupt."""


@dataclass(frozen=True)
class View:
    """All that a rule may look at."""

    state: State
    now: float
    blind: Mapping[str, Blind]
    judgement: Judgement

    @cached_property
    def baked(self) -> bool:
        """Whether the step has lasted its bake time since the mesh and the traffic confirmed it."""
        steady = self.state.steady_at
        return steady is not None and self.now - steady >= self.state.plan.spec.ramp.bake

    @property
    def skewed(self) -> bool:
        """Whether the observed share of traffic contradicts the split (SRM)."""
        return shares.mismatched(self.state.shares)


@dataclass(frozen=True)
class Choice:
    """What a rule chose: an action, the wanted split and its reasons as stable codes."""

    action: Action
    split: Split
    reasons: tuple[str, ...]


def view(state: State, now: float) -> View:
    """Judge everything known at `now`."""
    blind = blindness(state, now)
    confidence = state.plan.spec.confidence
    guards = {
        guardrail.name: Guarded(
            rule=state.gauges[guardrail.name].rule,
            capital=state.gauges[guardrail.name].capital,
            importance=guardrail.importance,
            blind=blind[guardrail.name].reason if guardrail.name in blind else "",
            observational=bool(observational(state.plan)),
        )
        for guardrail in state.plan.spec.guardrails
    }
    judgement = judge(guards, confidence.false_rollback, confidence.false_promotion)
    return View(state, now, blind, judgement)


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
        numbers=say.numbers(state, seen.judgement),
    )


def _hold(seen: View, *reasons: str) -> Choice:
    return Choice("hold", seen.state.wanted, reasons)


def _roll_back(seen: View, *reasons: str) -> Choice:
    return Choice("roll back", Split(0, seen.state.total), reasons)


def _promote(seen: View, *reasons: str) -> Choice:
    return Choice("promote", Split(seen.state.total, seen.state.total), reasons)


def _pause(seen: View, *reasons: str) -> Choice:
    return Choice("pause", seen.state.wanted, reasons)


def _reverting(seen: View) -> Choice | None:
    """Nothing overtakes a rollback."""
    return _hold(seen, "awaiting-mesh") if seen.state.phase == "reverting" else None


def _undoing(seen: View) -> Choice | None:
    """A promotion is taken back by a person's word alone, and so is the word."""
    state, asked = seen.state, seen.state.asked
    if state.phase == "promoted":
        return Choice("undo", Split(0, state.total), ("human:undo",))
    if state.phase != "undoing":
        return None
    if asked is not None and asked.command == "promote":
        return _promote(seen, "human:promote")
    return _hold(seen, "awaiting-mesh")


def _aborted(seen: View) -> Choice | None:
    asked = seen.state.asked
    return _roll_back(seen, "human:abort") if asked and asked.command == "abort" else None


def _harmful(seen: View) -> Choice | None:
    if not seen.judgement.harmful:
        return None
    return _roll_back(seen, *(f"harmful:{name}" for name in seen.judgement.cause))


def _asked(seen: View) -> Choice | None:
    """A person's command is answered at once, by doing it or by saying why not."""
    asked, phase = seen.state.asked, seen.state.phase
    if asked is None:
        return None
    if asked.command == "promote" and phase != "promoting":
        return _promote(seen, "human:promote")
    if asked.command == "pause" and phase in CLIMBING:
        return _pause(seen, "human:pause")
    if asked.command == "resume" and phase == "paused":
        return Choice("resume", seen.state.wanted, ("human:resume",))
    return _hold(seen, f"nothing-to-{asked.command}")


def _drifted(seen: View) -> Choice | None:
    if not seen.state.drifted or seen.state.phase not in CLIMBING:
        return None
    if seen.state.plan.spec.on_drift == "pause":
        return _pause(seen, "drift")
    return _hold(seen, "drift:adopted")


def _forgotten(seen: View) -> Choice | None:
    """A pause that no person ended in time ends where traffic is known to be good."""
    paused = seen.state.paused_at
    if paused is None or seen.now - paused < seen.state.plan.spec.patience:
        return None
    return _roll_back(seen, "patience-over")


def _long_blind(seen: View) -> Choice | None:
    policy, resumed = seen.state.plan.spec.when_blind, seen.state.resumed_at
    over = [n for n, b in seen.blind.items() if seen.now - max(b.since, resumed) >= policy.hold]
    if not over or seen.state.phase not in CLIMBING:
        return None
    reasons = tuple(f"blind-too-long:{name}" for name in over)
    return (_pause if policy.then == "pause" else _roll_back)(seen, *reasons)


def _late(seen: View) -> Choice | None:
    """Past the deadline without proof: inconclusive, and the plan says what that means."""
    phase = seen.state.phase
    if phase == "paused" or seen.now < seen.state.due_at:
        return None
    return _inconclusive(seen, "inconclusive")


def _inconclusive(seen: View, *reasons: str) -> Choice | None:
    policy, phase = seen.state.plan.spec.when_inconclusive, seen.state.phase
    if policy == "promote":
        return None if phase == "promoting" else _promote(seen, *reasons)
    if policy == "pause" and phase in CLIMBING:
        return _pause(seen, *reasons)
    return _roll_back(seen, *reasons)


def _used_up(seen: View) -> Choice | None:
    """All of stable that was kept from before the switch is compared: no more can be learned."""
    state, verdicts = seen.state, seen.judgement.verdicts
    over = [
        name
        for name, gauge in state.gauges.items()
        if gauge.used_up_at is not None
        and gauge.used_up_at > state.resumed_at
        and verdicts[name].kind != "safe"
    ]
    if not over or state.phase != "stepping":
        return None
    return _inconclusive(seen, *(f"used-up:{name}" for name in over))


def _refused(seen: View) -> Choice | None:
    """Trying again alone is no cure: the weights stay as they were until a person resumes."""
    state = seen.state
    return Choice("pause", state.split, (REFUSED,)) if state.refused else None


def _unconfirmed(seen: View) -> Choice | None:
    return _hold(seen, "awaiting-mesh") if seen.state.awaiting is not None else None


def _paused(seen: View) -> Choice | None:
    return _hold(seen, "paused") if seen.state.phase == "paused" else None


def _blind(seen: View) -> Choice | None:
    return _hold(seen, *(f"blind:{name}" for name in sorted(seen.blind))) if seen.blind else None


def _learning(seen: View) -> Choice | None:
    """Pods are declared: what their past says comes before the first step."""
    state = seen.state
    wanted = state.plan.spec.pods is not None and state.learned is None and not state.decision
    return _hold(seen, "learning") if wanted else None


def _untested(seen: View) -> Choice | None:
    """No valid test exists: the plan says what then, and a person may say so once more."""
    state, pods = seen.state, seen.state.plan.spec.pods
    if pods is None or state.learned is None or not state.unknown or state.decision:
        return None
    reasons = tuple(f"no-valid-test:{name}" for name in sorted(state.unknown))
    if pods.when_unknown == "refuse":
        return _hold(seen, *reasons)
    answered = pods.when_unknown == "assume" or state.resumed_at > state.learned.at
    return None if answered else _pause(seen, *reasons)


def _watching(seen: View) -> Choice | None:
    """Before a switch of all traffic: what the canary is compared with is collected first."""
    state = seen.state
    return None if state.decision or watched(state) else _hold(seen, "watching-stable")


def _calling(seen: View) -> Choice | None:
    """All else is met: hooks are told before the first step; no rollback ever waits for one."""
    state = seen.state
    if state.decision:
        return None
    if problems := failed(state):
        return _pause(seen, *(f"hook-failed:{name}" for name in problems))
    names = awaited(state)
    return _hold(seen, *(f"awaiting-hook:{name}" for name in names)) if names else None


def _mirroring(seen: View) -> Choice | None:
    """Copies first: nothing is judged by them but a crash, and after their time comes a step."""
    state, mirror = seen.state, mirror_of(seen.state.plan)
    if mirror is None or state.wanted.way != "mirror":
        return None
    over = seen.now - (state.confirmed_at or seen.now) >= mirror.lasts
    return _onward(seen) if over else _hold(seen, "mirroring")


def _skewed(seen: View) -> Choice | None:
    return _hold(seen, "exposure-mismatch") if seen.skewed else None


def _baking(seen: View) -> Choice | None:
    """The step's own time: traffic agrees, the canary is warm, and the bake time is over."""
    state = seen.state
    if not state.wanted.canary:
        return None
    if state.steady_at is None or state.warm_at is None:
        return _hold(seen, "awaiting-traffic")
    if seen.now < state.warm_at:
        return _hold(seen, "warming-up")
    return None if seen.baked else _hold(seen, "baking")


def _holding_back(seen: View) -> Choice | None:
    """All but the holdback is on the canary: what was proven stands unless harm shows."""
    state, holdback = seen.state, seen.state.plan.spec.holdback
    if state.phase != "holding back" or holdback is None:
        return None
    if state.steady_at is None or state.confirmed_at is None:
        return _hold(seen, "awaiting-traffic")
    over = seen.now - state.confirmed_at >= holdback.lasts
    return _promote(seen, "held-back") if over else _hold(seen, "holding-back")


def _proven(seen: View) -> Choice | None:
    if not (at_top(seen.state) and seen.judgement.safe):
        return None
    split = held_back(seen.state)
    return Choice("hold back", split, ("all-safe",)) if split else _promote(seen, "all-safe")


def _onward(seen: View) -> Choice | None:
    split = next_split(seen.state)
    return Choice("advance", split, ("nothing-harmful",)) if split else None


def _unproven(seen: View) -> Choice | None:
    verdicts = seen.judgement.verdicts
    open_ = tuple(f"undecided:{n}" for n, v in sorted(verdicts.items()) if v.kind != "safe")
    return _hold(seen, *(open_ or ("ramp",)))


RULES: tuple[Callable[[View], Choice | None], ...] = (
    _reverting,
    _undoing,
    _aborted,
    _harmful,
    _asked,
    _drifted,
    _forgotten,
    _long_blind,
    _late,
    _used_up,
    _refused,
    _unconfirmed,
    _paused,
    _blind,
    _learning,
    _untested,
    _watching,
    _calling,
    _mirroring,
    _skewed,
    _holding_back,
    _baking,
    _proven,
    _onward,
    _unproven,
)
