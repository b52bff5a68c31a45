"""The sentence that explains a decision."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Protocol

from analysis.verdict.verdict import Judgement
from rollout.decide.evidence.blindness import Blind
from rollout.decide.evidence.exposure import mirror_of
from rollout.decide.record.facts import Action
from rollout.decide.record.reasons import Reason, split_reason
from rollout.decide.record.split import Split
from rollout.decide.state.hooks import failed
from rollout.decide.state.rollout import RolloutState
from rollout.decide.text.comparison import exposed, format_split, observational
from rollout.decide.text.measurement import bound, closest, measured, off_edge, spread
from rollout.plan.fields.units import duration, percent


class SentenceView(Protocol):
    """What a sentence may use of a `View`; a protocol, because texts must not import the rules."""

    @property
    def now(self) -> float: ...
    @property
    def blind(self) -> Mapping[str, Blind]: ...
    @property
    def judgement(self) -> Judgement: ...


def sentence(
    state: RolloutState, action: Action, split: Split, reasons: tuple[str, ...], view: SentenceView
) -> str:
    """Return one sentence for people: what, why, and the numbers behind it."""
    stable, canary = state.versions
    now, to, rest = format_split(state.wanted), format_split(split), percent(1 - split.share)
    head = {
        "hold": f"Hold {canary} at {now}",
        "make route": f"Make the route, all traffic to {stable}",
        "advance": f"Advance {canary} from {now} to {to}",
        "hold back": f"Hold back {rest} on {stable}, {canary} from {now} to {to}",
        "promote": f"Promote {canary} {f'at {to}' if now == to else f'from {now} to {to}'}",
        "roll back": f"Roll back {canary} from {now} to {to}, all traffic to {stable}",
        "undo": f"Undo the promotion of {canary}, all traffic to {stable}",
        "pause": f"Pause {canary} at {to}",
        "resume": f"Resume {canary} at {now}",
    }[action]
    explanations = _describe_reasons(state, reasons, view)
    if action == "advance" and not state.stepped:
        explanations += [*_describe_assumptions(state), *exposed(state.plan)]
    if label := observational(state.plan):
        explanations.append(label)
    return f"{head}: {'; '.join(explanations)}."


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
            others.append(_describe_reason(state, reason, view))
    return [_describe_blindness(names, view) for names in blind.values()] + others


def rests_on(state: RolloutState, name: str) -> str:
    """Describe what a guardrail's error rates assume: independence, or its pods' history."""
    learned = state.learned
    if learned is None or (name not in learned.dispersions and name not in state.unknown):
        return "requests are taken as independent"
    if name in state.unknown:
        return f"requests are taken as independent: {state.unknown[name]}"
    return spread(learned.dispersions[name])


def _describe_assumptions(state: RolloutState) -> list[str]:
    """Describe what the error rates assume; stated once, with the first step."""
    if state.plan.spec.pods is None:
        return ["requests are taken as independent, since the plan declares no pods"]
    if state.learned is None or not (state.unknown or state.learned.dispersions):
        return ["requests are taken as independent, since nothing of the past is known"]
    return [
        f"requests are taken as independent for {name} ({words})"
        for name, words in sorted(state.unknown.items())
    ]


def _describe_reason(state: RolloutState, reason: str, view: SentenceView) -> str:
    code, name = split_reason(reason)
    if code == Reason.HARMFUL:
        return _describe_harm(state, name, view.judgement)
    if code in {Reason.UNDECIDED, Reason.USED_UP}:
        over = f"all of {state.versions[0]} before the switch is compared: "
        text = _describe_undecided(state, name, view.judgement)
        return f"{over if code == Reason.USED_UP else ''}{text}"
    if code == Reason.NO_VALID_TEST:
        return f"no valid test for {name}: {state.unknown[name]}"
    if code == Reason.HUMAN and state.asked is not None:
        why = f" ({state.asked.reason})" if state.asked.reason else ""
        return f"asked by {state.asked.actor}{why}"
    if code == Reason.ALL_SAFE:
        readouts = view.judgement.readouts.items()
        return "every guardrail is proven: " + ", ".join(bound(n, r) for n, r in readouts)
    return _describe_by_code(state, code, name, view)


def _describe_by_code(state: RolloutState, code: str, name: str, view: SentenceView) -> str:
    spec = state.plan.spec
    problem = f" ({state.route_problem})" if state.route_problem else ""
    held = duration(spec.holdback.lasts) if spec.holdback else ""
    policy = state.policy_drift
    edit = f"changed the policy ({policy})" if policy else "moved the weights"
    return {
        Reason.MIRRORING: _describe_mirroring(state),
        Reason.WATCHING_STABLE: f"watching {spec.stable.version}, which the canary is "
        f"compared with",
        Reason.LEARNING: "the past of stable's pods is not read yet",
        Reason.AWAITING_MESH: f"the mesh has not confirmed the last change yet{problem}",
        Reason.ROUTE_REFUSED: f"the mesh refuses the change, and trying again alone is no "
        f"cure{problem}",
        Reason.ROUTE_AGAIN: f"what was confirmed is brought to the mesh again, which "
        f"refused{problem}",
        Reason.ROUTE_FIRST: "it comes before the first step; one that is there is used as it is",
        Reason.AWAITING_TRAFFIC: "waiting for traffic that agrees with the new weight",
        Reason.WARMING_UP: f"warming up for {duration(spec.warmup)} from the canary's first "
        f"request, "
        "with the crash watch on",
        Reason.BAKING: f"baking for {duration(spec.ramp.bake)} at this weight",
        Reason.AWAITING_HOOK.of(name): f"waiting for the hook {name}",
        Reason.HOOK_FAILED.of(name): f"the hook {name} failed: {failed(state).get(name, '')}",
        Reason.HOLDING_BACK: f"holding back for {held}, the rollback tests go on",
        Reason.HELD_BACK: f"nothing harmful while holding back for {held}",
        Reason.NOTHING_HARMFUL: f"nothing harmful in sight{closest(view.judgement)}",
        Reason.EXPOSURE_MISMATCH: "the observed share of traffic contradicts the weight: "
        f"{state.traffic_tally}",
        Reason.PAUSED: f"paused{_describe_pause(state)}; a person resumes, promotes or aborts "
        f"it, and "
        "the rollback tests go on",
        Reason.RAMP: "every guardrail is proven, the ramp has further to go",
        Reason.INCONCLUSIVE: f"no proof within the deadline of {duration(spec.deadline)}",
        Reason.NOT_PROMOTED: "the plan promotes then, but only what a step could be taken with",
        Reason.PATIENCE_OVER: f"nobody ended the pause within {duration(spec.patience)}",
        Reason.DRIFT: f"somebody else {edit}, and the plan says to pause then",
        Reason.DRIFT.of("promoting"): f"somebody else {edit} before the promotion was there",
        Reason.DRIFT.of("adopted"): f"somebody else {edit}, and the plan adopts that",
    }.get(f"{code}:{name}" if name else code, f"{code.replace('-', ' ')} {name}".strip())


def _describe_pause(state: RolloutState) -> str:
    """Describe why the rollout is paused, from the pause's own sentence: ` since ...`."""
    if state.pause is None:
        return ""
    why = state.pause.sentence.partition(": ")[2].removesuffix(".")
    return f", since {why.removesuffix(f'; {observational(state.plan)}')}" if why else ""


def _describe_mirroring(state: RolloutState) -> str:
    mirror = mirror_of(state.plan)
    if mirror is None:
        return ""
    judged = "judged only by a crash, as far as they are counted"
    return f"copies of requests for {duration(mirror.lasts)}, {judged}"


def _describe_harm(state: RolloutState, name: str, judgement: Judgement) -> str:
    risk = percent(state.plan.spec.confidence.false_rollback)
    times = math.exp(min(judgement.log_joint, 700)) * state.plan.spec.confidence.false_rollback
    strength = f"joint evidence {times:.3g} times what a false-rollback rate of {risk} asks for"
    if name == "crash":
        where = "on its copies" if state.split.way == "mirror" else "in its warm-up"
        return f"the canary fails outright {where}, {strength}"
    if name == "joint":
        worst = sorted(judgement.readouts.items(), key=lambda item: -item[1].harm)
        measurements = ", ".join(measured(n, r) for n, r in worst[:2])
        return f"the guardrails together are worse than allowed ({measurements}), {strength}"
    return f"{measured(name, judgement.readouts[name])}, {strength}"


def _describe_undecided(state: RolloutState, name: str, judgement: Judgement) -> str:
    readout = judgement.readouts[name]
    share = f"{(readout.safe or 0.0) * 100:.0f} % of the evidence that promotion needs"
    off = off_edge(state.guardrails[name].test.tolerance, readout)
    return f"{measured(name, readout)}, {share}{f' ({off})' if off else ''}"


def _describe_blindness(names: list[str], view: SentenceView) -> str:
    since = min(view.blind[name].since for name in names)
    reason = view.blind[names[0]].reason
    return f"blind on {', '.join(names)} for {duration(max(view.now - since, 0))}: {reason}"
