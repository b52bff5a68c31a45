"""What happened, as Kubernetes Events on the plan: each once, by a name that repeats share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rollout.decide.record.facts import (
    Confirmed,
    Decided,
    Drifted,
    HookAnswered,
    HumanSaid,
    RouteFailed,
    Started,
)
from rollout.decide.state.rollout import Phase
from rollout.kube.kinds import Json
from rollout.operate.status.conditions import PlanAcceptance, utc
from rollout.ports import Entry

Told = tuple[str, str, str]  # type, reason, message

_LIMIT = 1_000  # letters; the API server takes 1,024

_DECIDED = {
    "advance": ("Normal", "Advance"),
    "make route": ("Normal", "MakeRoute"),
    "hold back": ("Normal", "HoldBack"),
    "promote": ("Normal", "Promote"),
    "roll back": ("Warning", "RollBack"),
    "undo": ("Warning", "Undo"),
    "pause": ("Warning", "Pause"),
    "resume": ("Normal", "Resume"),
}


_ENDS = {"promoted": "Promoted", "rolled back": "RolledBack", "undone": "Undone"}


def event_of(resource: Json, entry: Entry, phase: Phase) -> Json | None:
    """The Event of an entry that led to `phase`; None for what is no news."""
    tell = _TELL.get(type(entry.fact))
    told = tell(entry.fact, phase) if tell else None
    if told is None:
        return None
    # Events of one second are listed by name: the number has its zeros. The hash tells journals
    # apart; a second Event of that name is refused, so none comes twice.
    return _event(resource, f"{entry.seq:08}.{entry.hash[:12]}", entry.fact.at, told)


def refused(resource: Json, reading: PlanAcceptance, now: float) -> Json:
    """The Event of a plan that is not taken up."""
    generation = resource["metadata"].get("generation", 0)
    told = ("Warning", reading.reason, "\n".join(reading.messages))
    return _event(resource, f"refused.{generation}", now, told)


def _started(fact: Started, _: Phase) -> Told:
    return "Normal", "Started", f"rollout {fact.rollout} began"


def _decided(fact: Decided, _: Phase) -> Told | None:
    if fact.action in _DECIDED:
        return *_DECIDED[fact.action], fact.sentence
    blind = any(reason.startswith("blind") for reason in fact.reasons)
    return ("Warning", "Blind", fact.sentence) if blind else None


def _confirmed(fact: Confirmed, phase: Phase) -> Told | None:
    reason = _ENDS.get(phase)
    shown = f"the mesh shows {fact.split.share * 100:.4g}% canary"
    return ("Normal", reason, shown) if reason else None


def _route_failed(fact: RouteFailed, _: Phase) -> Told | None:
    return ("Warning", "RouteFailed", fact.problem) if fact.attempt == 1 else None


def _human_said(fact: HumanSaid, _: Phase) -> Told:
    why = f": {fact.reason}" if fact.reason else ""
    return "Normal", "Asked", f"{fact.actor} says {fact.command}{why}"


def _drifted(fact: Drifted, _: Phase) -> Told:
    words = f"somebody else moved the weights to {fact.seen.share * 100:.4g}%"
    if fact.policy:
        words = f"somebody else changed the policy: {fact.policy}"
    return "Warning", "Drifted", words


def _hook_answered(fact: HookAnswered, _: Phase) -> Told | None:
    said = f"{fact.hook}, attempt {fact.attempt}: {fact.problem}"
    return ("Warning", "HookFailed", said) if fact.problem else None


_TELL: dict[type, Callable[[Any, Phase], Told | None]] = {
    Started: _started,
    Decided: _decided,
    Confirmed: _confirmed,
    RouteFailed: _route_failed,
    HumanSaid: _human_said,
    Drifted: _drifted,
    HookAnswered: _hook_answered,
}


def _event(resource: Json, name: str, at: float, told: Told) -> Json:
    kind, reason, message = told
    metadata = resource["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{metadata['name']}.{name}",
            "namespace": metadata["namespace"],
        },
        "involvedObject": {
            "apiVersion": resource["apiVersion"],
            "kind": resource["kind"],
            **{key: metadata[key] for key in ("name", "namespace", "uid")},
        },
        "type": kind,
        "reason": reason,
        "message": message[:_LIMIT],
        "source": {"component": "surefoot"},
        "firstTimestamp": utc(at),
        "lastTimestamp": utc(at),
        "count": 1,
    }
