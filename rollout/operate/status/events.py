"""Translates journal entries into Kubernetes Events on the RolloutPlan.

An Event's name is derived from its entry, so that the API server refuses a second copy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from rollout.decide.record.facts import Decided, HookAnswered, HumanSaid, Started, WouldBe
from rollout.decide.record.reasons import Reason, split_reason
from rollout.decide.record.route_facts import Confirmed, Drifted, Followed, RouteFailed
from rollout.decide.state.rollout import Phase
from rollout.kube.kinds import Json
from rollout.operate.status.conditions import PlanAcceptance, utc
from rollout.plan.fields.units import percent
from rollout.ports import Entry
from rollout.redact import redact

EventText = tuple[str, str, str]  # type, reason, message

_LIMIT = 1_000  # characters of a message; the API server accepts 1,024

_DECIDED = {
    "advance": ("Normal", "Advance"),
    "make route": ("Normal", "MakeRoute"),
    "hold back": ("Normal", "HoldBack"),
    "promote": ("Normal", "Promote"),
    "roll back": ("Warning", "RollBack"),
    "reallocate": ("Normal", "Reallocate"),
    "retreat": ("Warning", "Retreat"),
    "undo": ("Warning", "Undo"),
    "pause": ("Warning", "Pause"),
    "resume": ("Normal", "Resume"),
    "end": ("Normal", "EndObservation"),
}

_ENDS = {"promoted": "Promoted", "rolled back": "RolledBack", "undone": "Undone"}


def event_of(resource: Json, entry: Entry, phase: Phase) -> Json | None:
    """Return the Event of an entry that led to `phase`; None if the entry needs no Event."""
    describe = _DESCRIBE.get(type(entry.fact))
    text = describe(entry.fact, phase) if describe else None
    if text is None:
        return None
    # Events of the same second are listed by name: leading zeros keep them in journal order. The
    # hash tells two journals apart. The API server refuses a second Event of the same name, so
    # that no entry is reported twice.
    return _build_event(resource, f"{entry.seq:08}.{entry.hash[:12]}", entry.fact.at, text)


def refused(resource: Json, reading: PlanAcceptance, now: float) -> Json:
    """Return the Event of a plan that is not accepted: one for each reason in a generation.

    The API server refuses a second Event of the same name, so the reason is in the name.
    """
    generation = resource["metadata"].get("generation", 0)
    text = ("Warning", reading.reason, "\n".join(reading.messages))
    which = hashlib.sha256("\n".join(text).encode()).hexdigest()[:8]
    return _build_event(resource, f"refused.{generation}.{which}", now, text)


def _describe_start(fact: Started, _: Phase) -> EventText:
    return "Normal", "Started", f"rollout {fact.rollout} started"


def _describe_decision(fact: Decided, _: Phase) -> EventText | None:
    if fact.would is not None and fact.action == "hold":
        return _describe_wish(fact, fact.would)
    if fact.action in _DECIDED:
        return *_DECIDED[fact.action], fact.sentence
    codes = {split_reason(reason)[0] for reason in fact.reasons}
    is_blind = codes & {Reason.BLIND, Reason.BLIND_TOO_LONG}
    return ("Warning", "Blind", fact.sentence) if is_blind else None


def _describe_wish(fact: Decided, would: WouldBe) -> EventText | None:
    """Tell what would be done; `history` leaves out what the look before has told."""
    if would.action not in _DECIDED:
        return None
    kind, reason = _DECIDED[would.action]
    return kind, f"Would{reason}", fact.sentence


def _describe_confirmation(fact: Confirmed, phase: Phase) -> EventText | None:
    reason = _ENDS.get(phase)
    message = f"the mesh shows {percent(fact.split.share)} for the canary"
    remains = [f"not put back: {fact.left}"] if fact.left else []
    remains += [fact.remark] if fact.remark else []
    if remains:
        return "Warning", reason or "RouteFailed", "; ".join([message, *remains])
    return ("Normal", reason, message) if reason else None


def _describe_following(fact: Followed, phase: Phase) -> EventText:
    if fact.outcome == "not followed":
        return "Warning", "TrafficNotFollowed", fact.sentence
    reason = "TrafficFollows" if fact.outcome == "seen" else "TrafficNotSeen"
    return "Normal", (_ENDS.get(phase) if fact.stable else None) or reason, fact.sentence


def _describe_route_failure(fact: RouteFailed, _: Phase) -> EventText | None:
    # Only the first attempt: retries of the same write would flood the Events.
    return ("Warning", "RouteFailed", fact.problem) if fact.attempt == 1 else None


def _describe_command(fact: HumanSaid, _: Phase) -> EventText:
    why = f": {fact.reason}" if fact.reason else ""
    return "Normal", "Asked", f"{fact.actor} asks for {fact.command}{why}"


def _describe_drift(fact: Drifted, _: Phase) -> EventText:
    message = f"somebody else moved the weights to {percent(fact.seen.share)} for the canary"
    if fact.policy:
        message = f"somebody else changed the policy: {fact.policy}"
    return "Warning", "Drifted", message


def _describe_hook(fact: HookAnswered, _: Phase) -> EventText | None:
    message = f"hook {fact.hook}, attempt {fact.attempt}: {fact.problem}"
    return ("Warning", "HookFailed", message) if fact.problem else None


_DESCRIBE: dict[type, Callable[[Any, Phase], EventText | None]] = {
    Started: _describe_start,
    Decided: _describe_decision,
    Confirmed: _describe_confirmation,
    Followed: _describe_following,
    RouteFailed: _describe_route_failure,
    HumanSaid: _describe_command,
    Drifted: _describe_drift,
    HookAnswered: _describe_hook,
}


def _build_event(resource: Json, name: str, at: float, text: EventText) -> Json:
    kind, reason, message = text
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
        "message": redact(message)[:_LIMIT],
        "source": {"component": "surefoot"},
        "firstTimestamp": utc(at),
        "lastTimestamp": utc(at),
        "count": 1,
    }
