"""A rate's guard: R for harm, R with a wide margin for crashes, D for safety."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from analysis import sequential
from analysis.contrast import Contrast, Units, compared, informed
from analysis.dispersion import Dispersion
from analysis.evidence import Evidence

CRASH = 0.2
"""Absolute margin of the crash watch: a canary with a fifth more bad units is dead, not noisy."""

ENOUGH = 200
"""Exposures of stable before its past is trusted to choose weights."""

_NOTHING = (0.0,) * sequential.POINTS.size


@dataclass(frozen=True)
class RateRule:
    """Acceptable is p_canary <= ratio * p_stable + absolute; ratio >= 1, absolute a share.

    `dispersion`: how stable's pods differ by themselves; None takes requests to be independent.
    """

    ratio: float
    absolute: float
    dispersion: Dispersion | None = None


@dataclass(frozen=True)
class RateCapital:
    """Log-capital of a rate so far; `past` is what stable showed before the first counted look."""

    harm: tuple[float, ...] = _NOTHING
    crash: tuple[float, ...] = _NOTHING
    contrast: Contrast = field(default_factory=Contrast)
    past: tuple[int, int] = (0, 0)
    problem: str = ""


def learn(capital: RateCapital, evidence: Evidence) -> RateCapital:
    """Take in stable's exposures and bad units; they only choose D's prior weights."""
    exposures, bad = capital.past
    past = (exposures + evidence.stable_exposures, bad + evidence.stable_bad)
    return replace(capital, past=past)


def watch(rule: RateRule, capital: RateCapital, evidence: Evidence) -> RateCapital:
    """A warm-up look: only the crash watch bets.

    Its margin is at least as wide as the rule's, so that what the rule accepts is never a crash.
    """
    wide = RateRule(rule.ratio, max(CRASH, rule.absolute))
    return replace(learn(capital, evidence), crash=_bet(capital.crash, evidence, wide))


def look(rule: RateRule, capital: RateCapital, evidence: Evidence) -> RateCapital:
    """A counted look."""
    units = Units(
        evidence.canary_exposures,
        evidence.stable_exposures,
        evidence.canary_bad,
        evidence.stable_bad,
        evidence.stable_bad,
    )
    return replace(
        capital,
        harm=_bet(capital.harm, evidence, rule),
        contrast=compared(_prepared(rule, capital), units, rule.ratio),
    )


def _prepared(rule: RateRule, capital: RateCapital) -> Contrast:
    """The contrast; before its first bet, with weights that fit what stable showed."""
    exposures, bad = capital.past
    if capital.contrast.e_c or exposures < ENOUGH:
        return capital.contrast
    share = (bad + 1) / (exposures + 1)
    return informed(share, share, rule.ratio, rule.absolute)


def _bet(logs: tuple[float, ...], evidence: Evidence, rule: RateRule) -> tuple[float, ...]:
    gain = sequential.increment(
        evidence.canary_exposures,
        evidence.stable_exposures,
        evidence.canary_bad,
        evidence.stable_bad,
        ratio=rule.ratio,
        absolute=rule.absolute,
    )
    return tuple(map(float, np.asarray(logs) + gain))
