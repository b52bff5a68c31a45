"""Lists the codes of the reasons that a decision can have, as they are recorded."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """The code of a reason. Codes are recorded, exported and documented: they never change.

    A recorded reason is a code, or a code and a name: `blind:errors`, `human:abort`.
    """

    ALL_SAFE = "all-safe"
    AWAITING_HOOK = "awaiting-hook"
    AWAITING_MESH = "awaiting-mesh"
    AWAITING_TRAFFIC = "awaiting-traffic"
    BAKING = "baking"
    BLIND = "blind"
    BLIND_TOO_LONG = "blind-too-long"
    DRIFT = "drift"
    EXPOSURE_MISMATCH = "exposure-mismatch"
    HARMFUL = "harmful"
    HELD_BACK = "held-back"
    HOLDING_BACK = "holding-back"
    HOOK_FAILED = "hook-failed"
    HUMAN = "human"
    INCONCLUSIVE = "inconclusive"
    LEARNING = "learning"
    MIRRORING = "mirroring"
    NO_VALID_TEST = "no-valid-test"
    NOT_PROMOTED = "not-promoted"
    NOTHING_HARMFUL = "nothing-harmful"
    NOTHING_TO_ABORT = "nothing-to-abort"
    NOTHING_TO_PAUSE = "nothing-to-pause"
    NOTHING_TO_PROMOTE = "nothing-to-promote"
    NOTHING_TO_RESUME = "nothing-to-resume"
    NOTHING_TO_RETRY = "nothing-to-retry"
    NOTHING_TO_UNDO = "nothing-to-undo"
    PATIENCE_OVER = "patience-over"
    PAUSED = "paused"
    RAMP = "ramp"
    ROUTE_AGAIN = "route-again"
    ROUTE_FIRST = "route-first"
    ROUTE_REFUSED = "route-refused"
    UNDECIDED = "undecided"
    USED_UP = "used-up"
    WARMING_UP = "warming-up"
    WATCHING_STABLE = "watching-stable"

    def of(self, subject: str) -> str:
        """Return the reason about a subject: a guardrail, a hook or a person's command."""
        return f"{self}:{subject}"


def split_reason(reason: str) -> tuple[str, str]:
    """Return a recorded reason's code and its subject; the subject is empty where it has none."""
    code, _, subject = reason.partition(":")
    return code, subject
