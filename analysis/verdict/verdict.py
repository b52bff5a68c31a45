"""From capital to verdicts: harmful, safe, undecided or blind per metric, and one mean for all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from analysis.log_arrays import log_sum
from analysis.verdict import guardrail
from analysis.verdict.guardrail import Capital, Logs, RateMargin, Rule
from analysis.verdict.readout import Readout, harm_share, proof_share, read

CRASH_WEIGHT = 0.1
"""Share of the mean that the crash watch holds, over all rates together."""


@dataclass(frozen=True)
class Verdict:
    """What is known of one metric; never a bare number."""

    kind: Literal["safe", "harmful", "undecided", "blind"]
    reason: str = ""


@dataclass(frozen=True)
class Guarded:
    """One guardrail: rule, capital, weight in the mean, and why it is blind, if it is.

    `observational`: the arms differ in more than their version, so that a verdict is no experiment.
    `logs`: what the capital amounts to, where that was worked out before.
    """

    rule: Rule
    capital: Capital
    importance: float
    blind: str = ""
    observational: bool = False
    logs: Logs | None = None

    @cached_property
    def known(self) -> Logs:
        """What the capital amounts to."""
        return self.logs or guardrail.logs(self.rule, self.capital)


@dataclass(frozen=True)
class Judgement:
    """All verdicts of one look.

    `cause` names the guardrails whose own weighted e-process crossed 1/alpha, else ("crash",) or
    ("joint",); empty if not harmful. `safe`: every guardrail is proven safe. Nothing is latched.
    `log_joint` is the log of the mean; `log_parts` and `log_crash` (None without a rate) are the
    logs of what the guardrails and the crash watch add to it; `log_proofs` those of each
    guardrail's evidence that it is safe.
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

    def harm_of(self, name: str) -> float:
        """The share of the evidence of harm that a rollback by this guardrail alone needs.

        Its weighted `guardrail.log_harm` over log(1/alpha).
        """
        return harm_share(self.log_parts[name], self.alpha)

    def proof_of(self, name: str) -> float | None:
        """The share of the evidence that a promotion needs of this guardrail; None: no test.

        Its `guardrail.log_safe` over log(1/beta).
        """
        return proof_share(self.log_proofs[name], self.beta)

    @cached_property
    def readouts(self) -> Mapping[str, Readout]:
        """Every metric in numbers; most looks decide nothing and need none.

        Raises TypeError where a rule and its capital are of different kinds.
        """
        levels = self.alpha, self.beta
        logs = self.log_parts
        return {n: read(g.rule, g.capital, logs[n], *levels) for n, g in self.guards.items()}


def judge(guards: Mapping[str, Guarded], alpha: float, beta: float) -> Judgement:
    """Verdicts at false-rollback rate alpha and false-promotion rate beta.

    The weighted mean of all metrics' e-processes (weights: importance, fixed before the rollout)
    with the crash watches as further members is one e-process under any dependence, so the chance
    of ever reaching 1/alpha with a canary that is harmless on every metric is at most alpha.
    Safety is intersection-union: each metric at beta, no correction. A blind metric keeps its
    capital in the mean (no data never is harm) and cannot be safe.

    Source: for the mean `sequential.log_mean` and `ratio_test.log_harm`, section 3 of Vovk & Wang
    (2021); for safety Berger, Technometrics 24 (1982), 295-300.

    Raises:
        ValueError: no guardrail.
    """
    if not guards:
        raise ValueError("nothing is guarded")
    shares = _shares(guards)
    harm = {n: math.log(shares[n]) + g.known.harm for n, g in guards.items()}
    crash = _crash(guards)
    members = [*harm.values(), *([crash] if crash is not None else [])]
    joint, bar = float(log_sum(np.array(members))), -math.log(alpha)
    own = tuple(name for name, log in harm.items() if log >= bar)
    harmful = joint >= bar
    dead = ("crash",) if crash is not None and crash >= bar else ()
    proofs = {n: g.known.safe for n, g in guards.items()}
    verdicts = {n: _verdict(g, harm[n] >= bar, proofs[n], beta) for n, g in guards.items()}
    return Judgement(
        guards,
        alpha,
        beta,
        verdicts,
        harmful,
        (own or dead or ("joint",)) if harmful else (),
        joint,
        all(verdict.kind == "safe" for verdict in verdicts.values()),
        harm,
        crash,
        proofs,
    )


def _verdict(guarded: Guarded, harmful: bool, log_proof: float, beta: float) -> Verdict:
    reason = guarded.blind or guardrail.problem(guarded.capital)
    if harmful:
        return Verdict("harmful", f"worse than its margin allows, {_assumed(guarded)}")
    if reason:
        return Verdict("blind", reason)
    if log_proof < -math.log(beta):
        return Verdict("undecided")
    return Verdict("safe", f"proven within its margin, {_assumed(guarded)}")


def _assumed(guarded: Guarded) -> str:
    """What the proof rests on, in words."""
    differ = guarded.rule.dispersion is not None
    rests = "though pods differ" if differ else "if requests are independent"
    return f"{rests}; observational" if guarded.observational else rests


def _rates(guards: Mapping[str, Guarded]) -> list[Guarded]:
    return [guarded for guarded in guards.values() if isinstance(guarded.rule, RateMargin)]


def _shares(guards: Mapping[str, Guarded]) -> dict[str, float]:
    """Each metric's share of the mean; what the crash watch holds is taken off first."""
    total = sum(guarded.importance for guarded in guards.values())
    left = 1 - CRASH_WEIGHT if _rates(guards) else 1.0
    return {name: left * guarded.importance / total for name, guarded in guards.items()}


def _crash(guards: Mapping[str, Guarded]) -> float | None:
    """Log of the crash watches' part of the mean; None without a rate."""
    logs = [guarded.known.crash for guarded in _rates(guards)]
    return float(log_sum(np.array(logs) + np.log(CRASH_WEIGHT / len(logs)))) if logs else None
