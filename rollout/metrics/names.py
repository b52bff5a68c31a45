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
    "surefoot_build_info": Metric("gauge", "1; the version is a label.", ("version",)),
    "surefoot_leader": Metric("gauge", "1 while this replica decides, 0 while it stands by."),
    "surefoot_journal_usable": Metric(
        "gauge",
        "0 when the journal has not answered this replica, or has taken none of its entries, for a "
        "Lease's time; 1 else, and without a Lease.",
    ),
    "surefoot_tick_duration_seconds": Metric("histogram", "How long ticks took."),
    "surefoot_tick_failures_total": Metric("counter", "Ticks that ended early with a problem."),
    "surefoot_tick_age_seconds": Metric(
        "gauge", "Time since the last tick without a problem; since the start, before the first."
    ),
    "surefoot_journal_entries_total": Metric("counter", "Entries of the journal."),
    "surefoot_decisions_total": Metric(
        "counter",
        "Decisions in the journal, by the code of the first reason.",
        ("action", "reason"),
    ),
    "surefoot_route_failures_total": Metric(
        "counter", "Attempts in the journal that the mesh did not show."
    ),
    "surefoot_hook_failures_total": Metric(
        "counter", "Calls of hooks in the journal that were not answered with 2xx."
    ),
    "surefoot_refusals_total": Metric(
        "counter", "Writes in the journal that a replica was refused when it no longer decided."
    ),
    "surefoot_rollout_phase": Metric(
        "gauge", "1 for the phase that the rollout is in, 0 for every other.", (*ROLLOUT, "phase")
    ),
    "surefoot_rollout_weight_declared_ratio": Metric(
        "gauge", "The canary's share of traffic that was decided.", ROLLOUT
    ),
    "surefoot_rollout_weight_confirmed_ratio": Metric(
        "gauge", "The canary's share of traffic that the mesh has shown.", ROLLOUT
    ),
    "surefoot_rollout_route_attempts": Metric(
        "gauge",
        "Failed attempts to bring the decided weight to the mesh; 0 when it is shown.",
        ROLLOUT,
    ),
    "surefoot_rollout_hooks_failed": Metric(
        "gauge",
        "Hooks that are over with and had no 2xx; none that a person resumed after.",
        ROLLOUT,
    ),
    "surefoot_rollout_harm_evidence_ratio": Metric(
        "gauge", "All evidence of harm as a share of what rolls back: 1 crosses.", ROLLOUT
    ),
    "surefoot_guardrail_harm_evidence_ratio": Metric(
        "gauge",
        "One guardrail's evidence of harm as a share of what is needed.",
        (*ROLLOUT, "guardrail"),
    ),
    "surefoot_guardrail_proof_evidence_ratio": Metric(
        "gauge",
        "One guardrail's evidence of safety as a share of what is needed; absent while unknown.",
        (*ROLLOUT, "guardrail"),
    ),
    "surefoot_guardrail_blind_seconds": Metric(
        "gauge",
        "How long a guardrail has been without evidence; 0 when it is not.",
        (*ROLLOUT, "guardrail"),
    ),
}


def code_of(reasons: tuple[str, ...]) -> str:
    """Return the first reason's code, or `other`, so that labels stay bounded.

    What follows a code is a name: as a label it would make the number of series unbounded.
    """
    return first_reason(reasons) or "other"
