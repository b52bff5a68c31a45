"""Lists the codes of the reasons that a decision can have, and what a run shows that ends so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Literal

ReasonOutcome = Literal["proven", "harmful", "blind", "untested", "lost", "open"]
"""What a run has shown of the canary when it ends; `open`: neither proof nor harm.

`lost`: it has won nothing in an experiment.
"""


class Reason(StrEnum):
    """The code of a reason. Codes are recorded, exported and documented: they never change.

    A recorded reason is a code, or a code and a name: `blind:errors`, `human:abort`.
    """

    ALL_SAFE = "all-safe"
    AWAITING_ENDPOINTS = "awaiting-endpoints"
    AWAITING_HOOK = "awaiting-hook"
    AWAITING_MESH = "awaiting-mesh"
    AWAITING_PERSON = "awaiting-person"
    AWAITING_TRAFFIC = "awaiting-traffic"
    AWAITING_WEIGHT = "awaiting-weight"
    BAKING = "baking"
    BETTER = "better"
    BLIND = "blind"
    BLIND_TOO_LONG = "blind-too-long"
    CONFIRMING_PODS = "confirming-pods"
    DRIFT = "drift"
    EXPERIMENT = "experiment"
    EXPOSURE_MISMATCH = "exposure-mismatch"
    FOLLOWING = "following"
    HARMFUL = "harmful"
    HELD_BACK = "held-back"
    HOLDING_BACK = "holding-back"
    HOOK_FAILED = "hook-failed"
    HUMAN = "human"
    INCONCLUSIVE = "inconclusive"
    LABELS_DIFFER = "labels-differ"
    LEARNING = "learning"
    MIRRORING = "mirroring"
    NEAR_HARM = "near-harm"
    NO_VALID_TEST = "no-valid-test"
    NOT_BETTER = "not-better"
    NOT_AT_STABLE = "not-at-stable"
    NOT_PROMOTED = "not-promoted"
    NOTHING_HARMFUL = "nothing-harmful"
    NOTHING_TO_ABORT = "nothing-to-abort"
    NOTHING_TO_CONFIRM = "nothing-to-confirm"
    NOTHING_TO_PAUSE = "nothing-to-pause"
    NOTHING_TO_PROMOTE = "nothing-to-promote"
    NOTHING_TO_RESUME = "nothing-to-resume"
    NOTHING_TO_RETRY = "nothing-to-retry"
    NOTHING_TO_UNDO = "nothing-to-undo"
    NOT_FOLLOWED = "not-followed"
    ONE_ARMED = "one-armed"
    PATIENCE_OVER = "patience-over"
    PAUSED = "paused"
    RAMP = "ramp"
    REALLOCATED = "reallocated"
    RETREATED = "retreated"
    RETREATS_USED_UP = "retreats-used-up"
    ROUTE_AGAIN = "route-again"
    ROUTE_CONDITIONS = "route-conditions"
    ROUTE_FIRST = "route-first"
    ROUTE_REFUSED = "route-refused"
    ROUTE_UNREAD = "route-unread"
    SUSPECTED = "suspected"
    UNDECIDED = "undecided"
    USED_UP = "used-up"
    WARMING_UP = "warming-up"
    WATCHING_STABLE = "watching-stable"
    WORSE = "worse"

    @property
    def outcome(self) -> ReasonOutcome:
        """What a run has shown whose last decision has this reason first."""
        return _OUTCOMES.get(self, "open")

    def of(self, subject: str) -> str:
        """Return the reason about a subject: a guardrail, a hook or a person's command."""
        return f"{self}:{subject}"


WAITS_FOR_ROUTE = frozenset(
    {Reason.AWAITING_ENDPOINTS, Reason.NOT_AT_STABLE, Reason.ROUTE_CONDITIONS, Reason.ROUTE_UNREAD}
)
"""Reasons of a hold that ends when the mesh shows something else."""

# All other reasons leave it open: they hold, or a person, the mesh or the time ended the run.
_OUTCOMES: Mapping[Reason, ReasonOutcome] = {
    Reason.ALL_SAFE: "proven",
    Reason.BETTER: "proven",
    Reason.HELD_BACK: "proven",
    Reason.HARMFUL: "harmful",
    Reason.BLIND_TOO_LONG: "blind",
    Reason.NO_VALID_TEST: "untested",
    Reason.NOT_BETTER: "lost",
    Reason.WORSE: "lost",
}
_BY_CODE: Mapping[str, Reason] = {reason.value: reason for reason in Reason}


def first_reason(reasons: Sequence[str]) -> Reason | None:
    """Return the first reason without its subject; None without one or for an unknown code."""
    code, _ = split_reason(reasons[0]) if reasons else ("", "")
    return _BY_CODE.get(code)


def outcome_of(reasons: Sequence[str]) -> ReasonOutcome:
    """Return what a run has shown whose last decision has these reasons."""
    reason = first_reason(reasons)
    return reason.outcome if reason else "open"


def split_reason(reason: str) -> tuple[str, str]:
    """Return a recorded reason's code and its subject; the subject is empty where it has none."""
    code, _, subject = reason.partition(":")
    return code, subject
