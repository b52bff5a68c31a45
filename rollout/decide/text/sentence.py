"""The sentence that explains a decision."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Protocol

from analysis.verdict.verdict import Judgement
from rollout.decide.evidence.blindness import Blind
from rollout.decide.evidence.exposure import mirror_of
from rollout.decide.record.facts import Action
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
        code, _, name = reason.partition(":")
        if code in {"blind", "blind-too-long"}:
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
    code, _, name = reason.partition(":")
    if code == "harmful":
        return _describe_harm(state, name, view.judgement)
    if code in {"undecided", "used-up"}:
        over = f"all of {state.versions[0]} before the switch is compared: "
        text = _describe_undecided(state, name, view.judgement)
        return f"{over if code == 'used-up' else ''}{text}"
    if code == "no-valid-test":
        return f"no valid test for {name}: {state.unknown[name]}"
    if code == "human" and state.asked is not None:
        why = f" ({state.asked.reason})" if state.asked.reason else ""
        return f"asked by {state.asked.actor}{why}"
    if code == "all-safe":
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
        "mirroring": _describe_mirroring(state),
        "watching-stable": f"watching {spec.stable.version}, which the canary is compared with",
        "learning": "the past of stable's pods is not read yet",
        "awaiting-mesh": f"the mesh has not confirmed the last change yet{problem}",
        "route-refused": f"the mesh refuses the change, and trying again alone is no cure{problem}",
        "route-again": f"what was confirmed is brought to the mesh again, which refused{problem}",
        "route-first": "it comes before the first step; one that is there is used as it is",
        "awaiting-traffic": "waiting for traffic that agrees with the new weight",
        "warming-up": f"warming up for {duration(spec.warmup)} from the canary's first request, "
        "with the crash watch on",
        "baking": f"baking for {duration(spec.ramp.bake)} at this weight",
        f"awaiting-hook:{name}": f"waiting for the hook {name}",
        f"hook-failed:{name}": f"the hook {name} failed: {failed(state).get(name, '')}",
        "holding-back": f"holding back for {held}, the rollback tests go on",
        "held-back": f"nothing harmful while holding back for {held}",
        "nothing-harmful": f"nothing harmful in sight{closest(view.judgement)}",
        "exposure-mismatch": "the observed share of traffic contradicts the weight: "
        f"{state.parted}",
        "paused": f"paused{_describe_pause(state)}; a person resumes, promotes or aborts it, and "
        "the rollback tests go on",
        "ramp": "every guardrail is proven, the ramp has further to go",
        "inconclusive": f"no proof within the deadline of {duration(spec.deadline)}",
        "not-promoted": "the plan promotes then, but only what a step could be taken with",
        "patience-over": f"nobody ended the pause within {duration(spec.patience)}",
        "drift": f"somebody else {edit}, and the plan says to pause then",
        "drift:promoting": f"somebody else {edit} before the promotion was there",
        "drift:adopted": f"somebody else {edit}, and the plan adopts that",
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
    off = off_edge(state.gauges[name].rule, readout)
    return f"{measured(name, readout)}, {share}{f' ({off})' if off else ''}"


def _describe_blindness(names: list[str], view: SentenceView) -> str:
    since = min(view.blind[name].since for name in names)
    reason = view.blind[names[0]].reason
    return f"blind on {', '.join(names)} for {duration(max(view.now - since, 0))}: {reason}"
