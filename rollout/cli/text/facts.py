"""Facts in words, for people: one line each, free of what a terminal would act upon."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Any

from rollout.decide.record.facts import (
    Calibrated,
    Confirmed,
    Decided,
    Drifted,
    Elected,
    Fact,
    HookAnswered,
    HookCalled,
    HumanSaid,
    Learned,
    Observed,
    Refused,
    RouteFailed,
    Started,
)
from rollout.decide.text.comparison import shown
from rollout.decide.text.measurement import spread
from rollout.plan.fields.units import percent


def clean(text: str, limit: int | None = None) -> str:
    """Text on one line without control or direction-changing characters, cut at `limit`."""
    letters = (" " if letter.isspace() else letter for letter in text)
    shown = "".join(letter for letter in letters if unicodedata.category(letter)[0] != "C")
    kept = " ".join(shown.split())
    return kept if limit is None or len(kept) <= limit else kept[: limit - 1] + "…"


def what(fact: Fact) -> str:
    """What happened, in a word or two: the decided action, the person's command, else the kind."""
    match fact:
        case Decided(action="advance"):
            return f"advance to {shown(fact.split)}"
        case Decided():
            return fact.action
        case HumanSaid():
            return f"{fact.command} (said)"
    return fact.kind.replace("-", " ")


def sentence(fact: Fact) -> str:
    """The rest of it, in one sentence."""
    return clean(_SENTENCES[type(fact)](fact))


def _started(fact: Started) -> str:
    spec = fact.plan.get("spec")
    spec = spec if isinstance(spec, dict) else {}
    stable, canary = (_version(spec.get(arm)) for arm in ("stable", "canary"))
    waived = ", uncalibrated by a person's word" if fact.uncalibrated else ""
    again = f", attempt {fact.attempt}" if fact.attempt > 1 else ""
    told = f"{spec.get('service', '?')} {stable} -> {canary} (Surefoot {fact.controller})"
    return f"{told}{again}{waived}"


def _version(arm: object) -> str:
    return str(arm.get("version", "?")) if isinstance(arm, dict) else "?"


def _observed(fact: Observed) -> str:
    samples = sum(len(one.samples) for many in fact.series.values() for one in many)
    problems = [f"{name}: {words}" for name, words in fact.problems.items()]
    return "; ".join([f"{samples} new samples", *problems])


def _calibrated(fact: Calibrated) -> str:
    kept = "within" if fact.holds else "above"
    return (
        f"{fact.rolled_back} of {fact.runs} replays of stable's own pods were rolled back: a rate "
        f"of at most {percent(fact.bound)}, {kept} the declared {percent(fact.alpha)}"
    )


def _learned(fact: Learned) -> str:
    known = [f"{n}: {spread(d)}" for n, d in fact.dispersions.items() if n not in fact.unknown]
    unknown = [f"no valid test for {name}: {words}" for name, words in fact.unknown.items()]
    return "; ".join([*known, *unknown]) or "nothing of stable's past is known"


def _decided(fact: Decided) -> str:
    return fact.sentence


def _confirmed(fact: Confirmed) -> str:
    told = f"the mesh shows {shown(fact.split)} canary (decision {fact.decision})"
    return f"{told}; {fact.stable} is stable from now on" if fact.stable else told


def _route_failed(fact: RouteFailed) -> str:
    return f"attempt {fact.attempt} of decision {fact.decision}: {fact.problem}"


def _human_said(fact: HumanSaid) -> str:
    return f"{fact.actor}: {fact.reason}" if fact.reason else fact.actor


def _drifted(fact: Drifted) -> str:
    if fact.policy:
        return f"somebody else changed the policy at {shown(fact.seen)}: {fact.policy}"
    return f"somebody else moved the weights to {shown(fact.seen)}"


def _elected(fact: Elected) -> str:
    return f"{fact.controller} leads, term {fact.term}"


def _refused(fact: Refused) -> str:
    return f"{fact.controller}, term {fact.term}, wrote nothing: {fact.problem}"


def _hook_called(fact: HookCalled) -> str:
    return f"{fact.hook}, attempt {fact.attempt}"


def _hook_answered(fact: HookAnswered) -> str:
    return f"{fact.hook}, attempt {fact.attempt}: {fact.problem or 'answered'}"


_SENTENCES: dict[type, Callable[[Any], str]] = {
    Started: _started,
    Observed: _observed,
    Learned: _learned,
    Calibrated: _calibrated,
    Decided: _decided,
    Confirmed: _confirmed,
    RouteFailed: _route_failed,
    HumanSaid: _human_said,
    Drifted: _drifted,
    HookCalled: _hook_called,
    HookAnswered: _hook_answered,
    Elected: _elected,
    Refused: _refused,
}
