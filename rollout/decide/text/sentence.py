"""The sentence that explains a decision: the decision, the numbers behind it, the next step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from analysis.verdict.verdict import Judgement
from rollout.decide.evidence.blindness import Blind
from rollout.decide.record.facts import Action, Decided, WouldBe
from rollout.decide.record.reasons import Reason, split_reason
from rollout.decide.record.split import Split
from rollout.decide.state.rollout import RolloutState
from rollout.decide.text.arms import describe_other_routes, describe_unknown_endpoints
from rollout.decide.text.comparison import exposed, format_split, observational
from rollout.decide.text.error_rates import assumptions
from rollout.decide.text.next_step import next_step
from rollout.decide.text.numbers import join
from rollout.decide.text.reasons import describe_reason
from rollout.plan.fields.units import duration, percent


class SentenceView(Protocol):
    """What a sentence may use of a `View`; a protocol, because texts must not import the rules."""

    @property
    def now(self) -> float: ...
    @property
    def clock(self) -> float: ...
    @property
    def blind(self) -> Mapping[str, Blind]: ...
    @property
    def judgement(self) -> Judgement: ...

    def blind_for(self, name: str) -> float: ...


class Chosen(Protocol):
    """What a sentence tells: a choice, or a recorded decision."""

    @property
    def action(self) -> Action: ...
    @property
    def split(self) -> Split: ...
    @property
    def reasons(self) -> tuple[str, ...]: ...
    @property
    def would(self) -> WouldBe | None: ...


def explain(state: RolloutState, chosen: Chosen, view: SentenceView) -> str:
    """Return the sentence of a decision, or of what would be decided with full authority."""
    action, would, reasons = chosen.action, chosen.would, chosen.reasons
    if would is None or action == "pause":  # a pause stands in front of a promotion
        return sentence(state, action, chosen.split, reasons, view)
    full = sentence(state, would.action, would.split, reasons, view, is_done=False)
    wish = f"would {full[0].lower()}{full[1:]}"
    if action == "end":
        return f"End the observation of {state.versions[1]}, nothing was written; {wish}"
    return f"{wish[0].upper()}{wish[1:]}"


def sentence(
    state: RolloutState,
    action: Action,
    split: Split,
    reasons: tuple[str, ...],
    view: SentenceView,
    *,
    is_done: bool = True,
) -> str:
    """Return one sentence for people: what, why, the numbers behind it, and what comes next."""
    stable, canary = state.versions
    now, to, rest = format_split(state.wanted), format_split(split), percent(1 - split.share)
    head = {
        "hold": f"Hold {canary} at {now}",
        "make route": f"Create the route, all traffic to {stable}",
        "advance": f"Advance {canary} from {now} to {to}",
        "hold back": f"Hold back {rest} on {stable}, {canary} from {now} to {to}",
        "promote": f"Promote {canary} {f'at {to}' if now == to else f'from {now} to {to}'}",
        "roll back": f"Roll back {canary} from {now} to {to}, all traffic to {stable}",
        "undo": f"Undo the promotion of {canary}, all traffic to {stable}",
        "retreat": f"Retreat {canary} from {now} to {to}, which is no verdict",
        "reallocate": f"Reallocate {canary} from {now} to {to}, which is no verdict",
        "pause": f"Pause {canary} at {to}",
        "resume": f"Resume {canary} at {now}",
        "end": f"End the observation of {canary} at {now}",
    }[action]
    if action == "roll back" and not (state.wanted.canary or state.split.canary):
        head = f"Roll back {canary}, which gets nothing any more, all traffic to {stable}"
    if action == "roll back" and not state.first_write:
        head = f"End the rollout of {canary}, nothing was written to the route"
    explanations = _describe_reasons(state, reasons, view)
    if action == "hold" and reasons == (Reason.PAUSED,) and state.pause is not None:
        return f"{head}: {'; '.join(explanations)}. {_quote_pause(state, state.pause)}"
    if action == "advance" and not state.stepped:
        explanations += [*assumptions(state), *exposed(state.plan)]
        explanations += describe_unknown_endpoints(state)
    if action == "roll back":
        explanations += describe_other_routes(state)
    following = next_step(state, action, reasons) if is_done else ""
    ends = (
        observational(state.plan),
        _describe_unlived_deadline(state, view.now, view.clock),
        "" if is_done else f"authority {state.authority}, so nothing is written",
        f"next: {following}" if following else "",
    )
    explanations += filter(None, ends)
    return f"{head}: {'; '.join(explanations)}."


def _describe_unlived_deadline(state: RolloutState, now: float, clock: float) -> str:
    """Say that the deadline has passed by the wall clock alone; empty where it has not.

    Nobody looked for the rest of that time, so the deadline acts only once it is lived through.
    """
    left = state.due_at - clock
    is_past = now - state.resumed_wall >= state.due_at - state.resumed_at
    if not (state.is_lived and is_past and left > 0) or state.is_following:
        return ""
    deadline = duration(state.plan.spec.deadline)
    return (
        f"the deadline of {deadline} has passed by the wall clock, of which {duration(left)} are "
        "not lived through yet"
    )


def _quote_pause(state: RolloutState, pause: Decided) -> str:
    """Quote the pause's own sentence, which says why and what ends it, and a retreat within it.

    Both are quoted whole and never parsed.
    """
    move = state.move
    is_lowered = move is not None and move.action == "retreat" and move.at >= pause.at
    return f"{pause.sentence} {move.sentence}" if move and is_lowered else pause.sentence


def _describe_reasons(
    state: RolloutState, reasons: tuple[str, ...], view: SentenceView
) -> list[str]:
    """Describe every reason; guardrails that are blind for the same reason share one text."""
    blind: dict[str, list[str]] = {}
    others = []
    for reason in reasons:
        code, name = split_reason(reason)
        if code in {Reason.BLIND, Reason.BLIND_TOO_LONG}:
            blind.setdefault(view.blind[name].reason, []).append(name)
        else:
            others.append(describe_reason(state, code, name, view.judgement))
    return [_describe_blindness(names, view) for names in blind.values()] + others


def _describe_blindness(names: list[str], view: SentenceView) -> str:
    lasted = max(max(view.now - view.blind[name].since, view.blind_for(name)) for name in names)
    reason = view.blind[names[0]].reason
    return f"blind on {join(names)} for {duration(max(lasted, 0))}: {reason}"
