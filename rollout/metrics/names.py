"""Lists every exported metric with its kind, labels and help text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rollout.decide.record.reasons import first_reason

ROLLOUT = ("rollout", "plan", "plan_namespace")


@dataclass(frozen=True)
class Metric:
    """A metric's description; a counter's name ends in `_total`."""

    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()


METRICS: dict[str, Metric] = {
    "surefoot_build_info": Metric(
        "gauge", "Always 1; the version of the controller is a label.", ("version",)
    ),
    "surefoot_leader": Metric(
        "gauge",
        "1 while this replica is the leader, which alone decides; 0 while it is on standby.",
    ),
    "surefoot_journal_usable": Metric(
        "gauge",
        "0 when this replica could not read or write the journal for the duration of a Lease; "
        "otherwise 1, also without a Lease.",
    ),
    "surefoot_tick_duration_seconds": Metric("histogram", "Duration of ticks in seconds."),
    "surefoot_tick_failures_total": Metric(
        "counter", "Ticks that a problem ended early; the controller's log names it."
    ),
    "surefoot_tick_age_seconds": Metric(
        "gauge",
        "Seconds since the last tick without a problem, or since the start before the first.",
    ),
    "surefoot_journal_entries_total": Metric("counter", "Entries in the journal."),
    "surefoot_decisions_total": Metric(
        "counter",
        "Decisions in the journal, by action and by the code of their first reason.",
        ("action", "reason"),
    ),
    "surefoot_route_failures_total": Metric(
        "counter", "Reasons for which the mesh did not confirm a weight, each once for a decision."
    ),
    "surefoot_hook_failures_total": Metric("counter", "Hook calls without a 2xx answer."),
    "surefoot_refusals_total": Metric(
        "counter", "Writes that were refused because the replica was no longer the leader."
    ),
    "surefoot_rollout_phase": Metric(
        "gauge",
        "1 for the current phase of the rollout, 0 for every other phase.",
        (*ROLLOUT, "phase"),
    ),
    "surefoot_rollout_weight_declared_ratio": Metric(
        "gauge", "The canary's share of traffic that was decided, 0 to 1.", ROLLOUT
    ),
    "surefoot_rollout_weight_confirmed_ratio": Metric(
        "gauge", "The canary's share of traffic that the mesh confirmed, 0 to 1.", ROLLOUT
    ),
    "surefoot_rollout_would_act": Metric(
        "gauge",
        "1 for the action that full authority would take, 0 for every other; absent where a "
        "rollout has full authority.",
        (*ROLLOUT, "action"),
    ),
    "surefoot_rollout_route_attempts": Metric(
        "gauge",
        "Failed attempts in a row to write the decided weight; 0 once the mesh confirms it.",
        ROLLOUT,
    ),
    "surefoot_rollout_hooks_failed": Metric(
        "gauge",
        "Hooks that used all attempts without a 2xx answer; a resume sets it back to 0.",
        ROLLOUT,
    ),
    "surefoot_rollout_traffic_follows": Metric(
        "gauge",
        "1 if the counted requests follow the last write, 0 if they do not; absent while unknown.",
        ROLLOUT,
    ),
    "surefoot_rollout_harm_evidence_ratio": Metric(
        "gauge",
        "Evidence of harm, all guardrails together, as a share of what rolls back; 1 does.",
        ROLLOUT,
    ),
    "surefoot_guardrail_harm_evidence_ratio": Metric(
        "gauge",
        "Evidence of harm of one guardrail as a share of what rolls back by itself.",
        (*ROLLOUT, "guardrail"),
    ),
    "surefoot_guardrail_proof_evidence_ratio": Metric(
        "gauge",
        "Evidence of safety of one guardrail as a share of what promotes; absent while unknown.",
        (*ROLLOUT, "guardrail"),
    ),
    "surefoot_guardrail_blind_seconds": Metric(
        "gauge",
        "Seconds for which a guardrail has had no usable data; 0 while it has.",
        (*ROLLOUT, "guardrail"),
    ),
}


def code_of(reasons: tuple[str, ...]) -> str:
    """Return the first reason's code, or `other`, so that labels stay bounded.

    What follows a code is a name: as a label it would make the number of series unbounded.
    """
    return first_reason(reasons) or "other"
