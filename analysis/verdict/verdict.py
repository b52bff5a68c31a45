"""Derives verdicts from capital: one per metric, and the weighted mean of harm over all."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Literal

import numpy as np

from analysis.log_arrays import log_sum
from analysis.verdict.readout import Readout, harm_share, proof_share
from analysis.verdict.sequential_test import Logs, SequentialTest

CRASH_WEIGHT = 0.1
"""Weight of the crash watch in the mean, over all rates together."""

SEGMENTS_WEIGHT = 0.5
"""Part of a guardrail's weight that its segments share evenly."""


@dataclass(frozen=True)
class Verdict:
    """The conclusion on one metric, with its reason."""

    kind: Literal["safe", "harmful", "undecided", "blind", "shown"]
    reason: str = ""

    @property
    def lets_promote(self) -> bool:
        """Whether nothing in it speaks against a promotion."""
        return self.kind in {"safe", "shown"}


@dataclass(frozen=True)
class Guarded:
    """One guardrail: test, weight in the mean, and why it is blind, if it is.

    `observational`: the arms differ in more than their version, so the comparison is not an
    experiment. `own_logs` replace the test's, where bets on harm that started late join them. A
    segment's guardrail is a part `of` the one that counts all units.
    """

    test: SequentialTest
    importance: float
    blind: str = ""
    observational: bool = False
    own_logs: Logs | None = None
    of: str = ""

    @property
    def logs(self) -> Logs:
        """The logs of harm, safety and crash that count in the mean."""
        return self.own_logs or self.test.logs


@dataclass(frozen=True)
class Judgement:
    """All verdicts of one look.

    `cause` names the guardrails that are broken outright, and those whose own weighted e-process
    crossed 1/alpha, else ("crash",) or ("joint",); empty if not harmful. `safe`: every guardrail is
    proven safe, but those that are only shown. A verdict is of this look only: no earlier one is
    remembered. `log_joint` is the log of the mean; `log_parts` and `log_crash` (None without a
    rate) are the logs of the contributions of guardrails and crash watch; `log_proofs` is each
    guardrail's log evidence of safety. Segments have parts and proofs too, and verdicts apart.
    """

    guards: Mapping[str, Guarded] = field(repr=False)
    alpha: float
    beta: float
    verdicts: Mapping[str, Verdict]
    harmful: bool
    cause: tuple[str, ...]
    log_joint: float
    safe: bool
    log_parts: Mapping[str, float]
    log_crash: float | None
    log_proofs: Mapping[str, float]
    segments: Mapping[str, Guarded] = field(repr=False, default_factory=dict)
    segment_verdicts: Mapping[str, Verdict] = field(default_factory=dict)

    @property
    def joint_share(self) -> float:
        """Compute the share of the evidence for a rollback that all guardrails have; 0 if none.

        It is the joint log of harm, see `judge`, over log(1/alpha).
        """
        return harm_share(self.log_joint, self.alpha)

    def harm_of(self, name: str) -> float:
        """Compute the share of the evidence of harm for a rollback by this guardrail alone.

        It is the weighted log of harm, see `judge`, over log(1/alpha).
        """
        return harm_share(self.log_parts[name], self.alpha)

    def proof_of(self, name: str) -> float | None:
        """Compute the share of this guardrail's evidence for a promotion; None without a test.

        It is the log of safety, see `judge`, over log(1/beta).
        """
        return proof_share(self.log_proofs[name], self.beta)

    @cached_property
    def readouts(self) -> Mapping[str, Readout]:
        """Every metric in numbers, computed on demand because most looks decide nothing."""
        levels = self.alpha, self.beta
        return {n: g.test.read(self.log_parts[n], *levels) for n, g in self.guards.items()}

    def read_segment(self, name: str) -> Readout:
        """Read one segment's guardrail in numbers."""
        return self.segments[name].test.read(self.log_parts[name], self.alpha, self.beta)


def judge(
    guards: Mapping[str, Guarded],
    alpha: float,
    beta: float,
    segments: Mapping[str, Guarded] = MappingProxyType({}),
) -> Judgement:
    """Derive verdicts at false-rollback rate alpha and false-promotion rate beta.

    The weighted mean of all metrics' e-processes (the weights are importances, fixed before the
    rollout) and of the crash watches is an e-process under any dependence. So the chance of ever
    reaching 1/alpha with a canary that is harmless on every metric is at most alpha. What must not
    happen at all has no share of it, and is harm by itself. `segments` are guardrails of parts of
    the units: they share half of the weight of the guardrail that counts all, so that harm to one
    of them is found within the same alpha; no promotion waits for their proof. Safety is
    intersection-union: each metric is tested at beta, without correction. A blind metric retains
    its capital in the mean, because missing data is not evidence of harm, and cannot be safe.

    Source: for the mean `log_arrays.log_mean` and `ratio_test.log_harm`, section 3 of Vovk & Wang
    (2021); for safety Berger, Technometrics 24 (1982), 295-300.

    Raises:
        ValueError: there is no guardrail.
    """
    if not guards:
        raise ValueError("nothing is guarded")
    every = {**guards, **segments}
    shares = _compute_weights(guards, segments)
    harm = {n: math.log(shares[n]) + every[n].logs.harm for n in shares}
    crash = _compute_log_crash(guards)
    members = [*harm.values(), *([crash] if crash is not None else [])]
    joint, bar = float(log_sum(np.array(members))) if members else 0.0, -math.log(alpha)
    own = tuple(name for name, log in harm.items() if log >= bar)
    broken = tuple(name for name, guarded in guards.items() if guarded.test.is_broken)
    # Of evidence only the mean decides. A member includes its weight, so it reaches the bar only if
    # the mean does: the members that did are the cause.
    dead = ("crash",) if crash is not None and crash >= bar else ()
    weighed = (own or dead or ("joint",)) if joint >= bar else ()
    harm |= {n: bar if n in broken else -math.inf for n in guards.keys() - shares.keys()}
    harm = {n: harm[n] for n in every}
    proofs = {n: g.logs.safe for n, g in every.items()}
    verdicts = {n: _decide(g, harm[n] >= bar, proofs[n], beta) for n, g in every.items()}
    of_segments = {n: verdicts.pop(n) for n in segments}
    return Judgement(
        guards,
        alpha,
        beta,
        verdicts,
        bool(broken or weighed),
        (*broken, *weighed),
        joint,
        all(verdict.lets_promote for verdict in verdicts.values()),
        harm,
        crash,
        proofs,
        segments,
        of_segments,
    )


def _decide(guarded: Guarded, harmful: bool, log_proof: float, beta: float) -> Verdict:
    reason = guarded.blind or guarded.test.problem
    if guarded.test.is_shown_only:
        return Verdict("shown", reason or guarded.test.finding)
    if not guarded.test.weighs_evidence:
        return _decide_by_itself(guarded, harmful, log_proof, beta)
    # Harm wins over blindness: evidence gathered before a metric went blind still counts.
    if harmful:
        return Verdict("harmful", f"worse than its margin allows, {_describe_assumption(guarded)}")
    if reason:
        return Verdict("blind", reason)
    if log_proof < -math.log(beta):
        return Verdict("undecided")
    return Verdict("safe", f"proven within its margin, {_describe_assumption(guarded)}")


def _decide_by_itself(guarded: Guarded, harmful: bool, log_proof: float, beta: float) -> Verdict:
    """Return the verdict of what weighs no evidence."""
    if harmful:
        return Verdict("harmful", guarded.test.finding)
    if guarded.blind:
        return Verdict("blind", guarded.blind)
    if log_proof < -math.log(beta):
        return Verdict("undecided")
    return Verdict("safe", guarded.test.finding)


def _describe_assumption(guarded: Guarded) -> str:
    """Describe the assumption behind the proof."""
    differ = guarded.test.dispersion is not None
    rests = "though pods differ" if differ else "if requests are independent"
    return f"{rests}; observational" if guarded.observational else rests


def _compute_weights(
    guards: Mapping[str, Guarded], segments: Mapping[str, Guarded]
) -> dict[str, float]:
    """Compute each metric's weight in the mean, after deducting that of the crash watch."""
    weighing = {name: guarded for name, guarded in guards.items() if guarded.test.weighs_evidence}
    total = sum(guarded.importance for guarded in weighing.values())
    # All weights sum to one, so that the mean starts at one.
    left = 1 - CRASH_WEIGHT if _list_crash_logs(guards) else 1.0
    weights = {name: left * guarded.importance / total for name, guarded in weighing.items()}
    if not segments:
        return weights
    counts = Counter(segment.of for segment in segments.values())
    shared = {name: weights[name] * SEGMENTS_WEIGHT for name in counts}
    own = {name: shared[segment.of] / counts[segment.of] for name, segment in segments.items()}
    return {**weights, **{name: weights[name] - given for name, given in shared.items()}, **own}


def _compute_log_crash(guards: Mapping[str, Guarded]) -> float | None:
    """Compute the log of the crash watches' contribution to the mean; None without any."""
    logs = _list_crash_logs(guards)
    return float(log_sum(np.array(logs) + np.log(CRASH_WEIGHT / len(logs)))) if logs else None


def _list_crash_logs(guards: Mapping[str, Guarded]) -> list[float]:
    return [g.logs.crash for g in guards.values() if g.logs.crash is not None]
