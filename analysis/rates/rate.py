"""A rate's guard: R for harm, tempered if pods differ; wide R for crashes; D for safety."""

from __future__ import annotations

from dataclasses import dataclass, field

from analysis.counting.counts import Counts
from analysis.dispersion import tempering
from analysis.dispersion.estimate import Dispersion
from analysis.fast_replace import replace
from analysis.rates import ratio_test, robust_test
from analysis.rates.risk_difference import Contrast, Units, compared, informed

CRASH = 0.2
"""Absolute margin of the crash watch: a canary with a fifth more bad units is dead, not noisy."""

ENOUGH = 200
"""Exposures of stable before its past is trusted to choose weights."""

AGILE = 0.1  # part of what is usual that each look renews
FIT = 3.0  # times what is usual: more weighs less at once, not only from the next look on

_NOTHING = (0.0,) * ratio_test.POINTS.size


@dataclass(frozen=True)
class RateMargin:
    """Acceptable is p_canary <= ratio * p_stable + absolute; ratio >= 1, absolute a share.

    `dispersion`: how stable's pods differ by themselves; None takes requests to be independent.
    """

    ratio: float
    absolute: float
    dispersion: Dispersion | None = None


@dataclass(frozen=True)
class RateCapital:
    """Log-capital of a rate so far; `past` is what stable showed before the first counted look.

    `harm` bets where the rule knows no dispersion, `robust` (see `robust_test.RobustState`) where
    it does; `usual` is then stable's bad share of late, which says how much a look's proof of safety
    weighs.
    """

    harm: tuple[float, ...] = _NOTHING
    robust: tuple[float, ...] = ()
    crash: tuple[float, ...] = _NOTHING
    contrast: Contrast = field(default_factory=Contrast)
    past: tuple[int, int] = (0, 0)
    problem: str = ""
    usual: float | None = None


def learn(capital: RateCapital, evidence: Counts) -> RateCapital:
    """Take in stable's exposures and bad units; they only choose D's prior weights."""
    exposures, bad = capital.past
    past = (exposures + evidence.stable_exposures, bad + evidence.stable_bad)
    return replace(capital, past=past)


def watch(rule: RateMargin, capital: RateCapital, evidence: Counts) -> RateCapital:
    """A warm-up look: only the crash watch bets.

    Its margin is at least as wide as the rule's, so that what the rule accepts is never a crash.
    """
    units = _units(evidence)
    margin = rule.ratio, max(CRASH, rule.absolute)
    return replace(
        learn(capital, evidence),
        crash=_bet(capital.crash, units, *margin, worth=_worth(rule, units)),
    )


def look(rule: RateMargin, capital: RateCapital, evidence: Counts) -> RateCapital:
    """A counted look. Nothing is bet under a rule whose dispersion allows no valid test."""
    if rule.dispersion is None:
        units = _units(evidence)
        harm = _bet(capital.harm, units, rule.ratio, rule.absolute)
        contrast = compared(_prepared(rule, capital), units, rule.ratio)
        return replace(capital, harm=harm, contrast=contrast)
    if rule.dispersion.problem:
        return replace(capital, problem=rule.dispersion.problem)
    return _tempered(rule, capital, evidence, tempering.noise(rule.dispersion))


def log_harm(rule: RateMargin, capital: RateCapital) -> float:
    """Log of the e-process against "within the margin"; 0 before any bet.

    `ratio_test.log_harm`, or `robust_test.log_harm` where the pods' dispersion is known.
    """
    return logs(rule, capital)[0]


def logs(rule: RateMargin, capital: RateCapital) -> tuple[float, float]:
    """Logs of the e-processes of harm, see `log_harm`, and of a crash, a `ratio_test.log_harm`."""
    harm, crash = ratio_test.log_harm((capital.harm, capital.crash)).tolist()
    if rule.dispersion is None or not capital.robust:
        return harm, crash
    return float(robust_test.log_harm(capital.robust, tempering.noise(rule.dispersion))), crash


def _tempered(
    rule: RateMargin, capital: RateCapital, evidence: Counts, found: tempering.Noise
) -> RateCapital:
    units = _units(evidence)
    e_c, e_s, x_c, x_s, _ = units
    state = robust_test.look(
        capital.robust or robust_test.start(),
        found,
        robust_test.ArmCounts(e_c, e_s, x_c, x_s),
        ratio=rule.ratio,
        absolute=rule.absolute,
    )
    calm = float(tempering.total(found, robust_test.information(state)))
    usual = _usual(capital, units)
    return replace(
        capital,
        robust=tuple(map(float, state)),
        contrast=compared(
            _prepared(rule, capital),
            units,
            rule.ratio,
            _safe_worth(rule, found, units, usual),
            calm,
        ),
        usual=usual + AGILE * (x_s / e_s - usual) if e_c and e_s else capital.usual,
    )


def _usual(capital: RateCapital, units: Units) -> float:
    """Stable's bad share as known before the look; the look's own before anything is known."""
    if capital.usual is not None:
        return capital.usual
    exposures, bad = capital.past if capital.past[0] >= ENOUGH else (units.e_s, units.x_s)
    return (bad + 0.5) / (exposures + 1)


def _safe_worth(rule: RateMargin, found: tempering.Noise, units: Units, usual: float) -> float:
    """Part of a look's evidence that counts for safety; less when stable has a fit of bad units."""
    bad = max(usual * units.e_s, units.x_s / FIT)
    n, share = tempering.expected(units.e_c, units.e_s, bad, rule.ratio, rule.absolute)
    return 1 / float(tempering.steadied(found, n, share))


def _prepared(rule: RateMargin, capital: RateCapital) -> Contrast:
    """The contrast; before its first bet, with weights that fit what stable showed."""
    exposures, bad = capital.past
    if capital.contrast.e_c or exposures < ENOUGH:
        return capital.contrast
    share = (bad + 1) / (exposures + 1)
    return informed(share, share, rule.ratio, rule.absolute)


def _units(evidence: Counts) -> Units:
    return Units(
        evidence.canary_exposures,
        evidence.stable_exposures,
        evidence.canary_bad,
        evidence.stable_bad,
        evidence.stable_bad,
    )


def _worth(rule: RateMargin, units: Units) -> float:
    """Part of a look's evidence that counts for the crash watch: pods may fail in clusters."""
    if rule.dispersion is None:
        return 1.0
    odds = rule.ratio * units.e_c / max(units.e_s, 1)
    found = tempering.noise(rule.dispersion)
    return 1 / float(tempering.inflation(found, units.x_c + units.x_s, odds / (1 + odds)))


def _bet(
    logs: tuple[float, ...], units: Units, ratio: float, absolute: float, worth: float = 1.0
) -> tuple[float, ...]:
    """R's log-capital after one more look; without exposures on both arms nothing is bet."""
    e_c, e_s, x_c, x_s, _ = units
    if not e_c or not e_s:
        return logs
    return tuple(
        (
            logs + worth * ratio_test.gain(e_c, e_s, x_c, x_s, ratio=ratio, absolute=absolute)
        ).tolist()
    )
