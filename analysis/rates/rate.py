"""A rate guardrail: ratio test for harm and crashes, excess bound for safety.

Where pods differ, all evidence is tempered and `robust_test` replaces the ratio test for harm. The
crash watch is a ratio test with a wide margin that already bets during warm-up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from analysis.counting.counts import Counts
from analysis.dispersion import tempering
from analysis.dispersion.dispersion import Dispersion
from analysis.fast_replace import replace
from analysis.rates import collapse, late_starts, limit, ratio_test, robust_test
from analysis.rates.late_starts import LateStarts
from analysis.rates.risk_difference import Contrast, Units, compared, informed

CRASH = 0.2
"""Absolute margin of the crash watch: a fifth more bad units means a crash, not noise."""

ENOUGH = 200
"""Exposures of stable before its past determines prior weights."""

AGILE = 0.1  # weight of each look in the moving average of stable's bad share
FIT = 3.0  # times stable's expected bad units; above it a look is weighted down at once

_NOTHING = (0.0,) * ratio_test.POINTS.size


@dataclass(frozen=True)
class RateMargin:
    """The canary may have p_canary <= ratio * p_stable + absolute; ratio >= 1, absolute a share.

    `dispersion`: how stable's pods differ; None assumes independent requests, and then
    `watches_collapse` adds a `collapse` watch, which older journals have not.
    """

    ratio: float
    absolute: float
    dispersion: Dispersion | None = None
    watches_collapse: bool = False

    @cached_property
    def noise(self) -> tempering.Noise:
        """The dispersion as numbers, once for all looks; only where one is known."""
        return tempering.noise(self.dispersion or Dispersion())

    @cached_property
    def calm_lasting(self) -> float | None:
        """What lasts, for `tempering.total`, after a calm past; None after any other."""
        is_calm = self.dispersion is not None and self.dispersion.is_calm
        return float(self.noise.lasting_of_arms) if is_calm else None


@dataclass(frozen=True)
class RateCapital:
    """Log-capital of a rate so far; `past` is stable's counts before the first counted look.

    `harm` bets if the rule has no dispersion, with `late` starts if it has a calm one, and `robust`
    (see `robust_test.RobustState`) under any other. `collapsed` is the watch of a rule without one.
    `baseline_rate` is for the robust test a moving average of stable's bad share, which determines
    the weight of a look's evidence of safety.
    """

    harm: tuple[float, ...] = _NOTHING
    robust: tuple[float, ...] = ()
    late: LateStarts = field(default_factory=LateStarts)
    collapsed: LateStarts = field(default_factory=LateStarts)
    crash: tuple[float, ...] = _NOTHING
    contrast: Contrast = field(default_factory=Contrast)
    past: tuple[int, int] = (0, 0)
    baseline_rate: float | None = None


def learn(capital: RateCapital, evidence: Counts) -> RateCapital:
    """Add stable's counts to the past, which only sets prior weights of the excess bound."""
    past = capital.past[0] + evidence.stable_exposures, capital.past[1] + evidence.stable_bad
    return replace(capital, past=past)


def watch(rule: RateMargin, capital: RateCapital, evidence: Counts) -> RateCapital:
    """Run a warm-up look: only the crash watch bets.

    Its margin is at least as wide as the rule's, so that what the rule accepts is never a crash.
    """
    units = _read_units(evidence)
    margin = rule.ratio, max(CRASH, rule.absolute)
    return replace(
        learn(capital, evidence),
        crash=ratio_test.bet(
            capital.crash, units[:4], *margin, look_weight=_weigh_crash(rule, units)
        ),
    )


def update(rule: RateMargin, capital: RateCapital, evidence: Counts) -> RateCapital:
    """Run a counted look; nothing is bet if the rule's dispersion allows no valid test."""
    if rule.dispersion is None:
        units = _read_units(evidence)
        harm = ratio_test.bet(capital.harm, units[:4], rule.ratio, rule.absolute)
        collapsed = collapse.add(capital.collapsed, units[:4], rule.ratio, rule.absolute)
        contrast = compared(_prepare_contrast(rule, capital), _doubt_canary(evidence), rule.ratio)
        return replace(capital, harm=harm, collapsed=collapsed, contrast=contrast)
    if rule.dispersion.problem:
        return capital
    if rule.calm_lasting is not None:
        return _look_in_calm(rule, capital, evidence, rule.calm_lasting)
    return _look_under_dispersion(rule, capital, evidence)


def logs(rule: RateMargin, capital: RateCapital) -> tuple[float, float]:
    """Return the logs of the e-processes against "within the margin" and against a crash.

    They are 0 before any bet. Both are a `ratio_test.log_harm`; the first is `robust_test.log_harm`
    where the pods' dispersion is known.
    """
    if rule.calm_lasting is not None:
        late = capital.late
        harm, later, crash = ratio_test.log_harm((capital.harm, late.logs, capital.crash)).tolist()
        mean = late_starts.log_harm(harm, float(np.logaddexp(later, late.waiting)))
        return mean / (1 + late.information * rule.calm_lasting), crash
    harm, crash = ratio_test.log_harm((capital.harm, capital.crash)).tolist()
    if rule.dispersion is None:
        watched = collapse.log_harm(harm, capital.collapsed) if rule.watches_collapse else harm
        return watched, crash
    if not capital.robust:
        return harm, crash
    return float(robust_test.log_harm(capital.robust, rule.noise)), crash


def log_rise(rule: RateMargin, capital: RateCapital) -> float:
    """Return the log of the evidence of the rise under way, see `limit.log_rise`; 0 without one."""
    is_limited = rule.dispersion is not None and rule.dispersion.trouble and capital.robust
    return limit.log_rise(robust_test.find_rise(capital.robust)) if is_limited else 0.0


def _look_in_calm(
    rule: RateMargin, capital: RateCapital, evidence: Counts, lasting: float
) -> RateCapital:
    """Run a counted look as for independent requests, with late starts.

    What an absolute margin allows beyond stable's past is as in `robust_test.update`.
    """
    e_c, e_s, x_c, x_s, _ = _read_units(evidence)
    if not e_c or not e_s:
        return capital
    gain = ratio_test.gain(e_c, e_s, x_c, x_s, ratio=rule.ratio, absolute=rule.absolute)
    unlearnt = float(tempering.unlearnt(rule.noise, e_c, rule.absolute))
    if unlearnt > 0:
        gain = gain / (1 + unlearnt)
    odds = rule.ratio * e_c / e_s
    due = x_s + rule.absolute * e_c / (1 + odds)
    information = due * odds / (1 + odds) / (1 + unlearnt)
    starts = late_starts.add(capital.late, gain, information, is_limited=unlearnt > 0)
    return replace(
        capital,
        harm=tuple((np.array(capital.harm) + gain).tolist()),
        late=starts,
        contrast=compared(
            _prepare_contrast(rule, capital),
            _doubt_canary(evidence),
            rule.ratio,
            1 / (1 + unlearnt),
            1 + starts.information * lasting,
        ),
    )


def _look_under_dispersion(rule: RateMargin, capital: RateCapital, evidence: Counts) -> RateCapital:
    """Run a counted look with all evidence tempered by the pods' dispersion."""
    units = _read_units(evidence)
    e_c, e_s, x_c, x_s, _ = units
    state = robust_test.update(
        capital.robust or robust_test.start(),
        rule.noise,
        robust_test.ArmCounts(e_c, e_s, x_c, x_s),
        ratio=rule.ratio,
        absolute=rule.absolute,
    )
    log_divisor = float(tempering.total(rule.noise, robust_test.information(state)))
    # As of before this look: the look joins the average below, after its evidence was weighted.
    baseline_rate = _estimate_baseline_rate(capital, units)
    return replace(
        capital,
        robust=tuple(map(float, state)),
        contrast=compared(
            _prepare_contrast(rule, capital),
            _doubt_canary(evidence),
            rule.ratio,
            _weigh_safety(rule, units, baseline_rate),
            log_divisor,
        ),
        baseline_rate=baseline_rate + AGILE * (x_s / e_s - baseline_rate)
        if e_c and e_s
        else capital.baseline_rate,
    )


def _estimate_baseline_rate(capital: RateCapital, units: Units) -> float:
    """Estimate stable's bad share from before the look; without a past, from the look itself."""
    if capital.baseline_rate is not None:
        return capital.baseline_rate
    exposures, bad = capital.past if capital.past[0] >= ENOUGH else (units.e_s, units.x_s)
    return (bad + 0.5) / (exposures + 1)


def _weigh_safety(rule: RateMargin, units: Units, baseline_rate: float) -> float:
    """Compute the weight of a look's evidence of safety; less during an incident of stable.

    Only stable's bad units enter: a weight that fell with the canary's would favour safety.
    """
    bad = max(baseline_rate * units.e_s, units.x_s / FIT)
    n, share = tempering.expected(units.e_c, units.e_s, bad, rule.ratio, rule.absolute)
    unlearnt = tempering.unlearnt(rule.noise, units.e_c, rule.absolute)
    return 1 / float(tempering.inflation_at_known_n(rule.noise, n, share, unlearnt))


def _prepare_contrast(rule: RateMargin, capital: RateCapital) -> Contrast:
    """Return the contrast; before its first bet, with prior weights from stable's past."""
    exposures, bad = capital.past
    # Weights are valid only if fixed before the first bet: a contrast that has bet retains its own.
    if capital.contrast.e_c or exposures < ENOUGH:
        return capital.contrast
    share = (bad + 1) / (exposures + 1)
    return informed(share, share, rule.ratio, rule.absolute)


def _read_units(evidence: Counts) -> Units:
    """Return what is evidence of harm: of unknown outcome are stable's failures alone."""
    bad = evidence.stable_bad + evidence.stable_unlabelled
    return Units(evidence.canary[0], evidence.stable[0], evidence.canary_bad, bad, bad)


def _doubt_canary(evidence: Counts) -> Units:
    """Return what is evidence of safety: of unknown outcome are the canary's failures alone."""
    bad, reference = evidence.canary_bad + evidence.canary_unlabelled, evidence.stable_bad
    return Units(evidence.canary[0], evidence.stable[0], bad, reference, reference)


def _weigh_crash(rule: RateMargin, units: Units) -> float:
    """Compute the weight of a look's evidence of a crash; less if bad units are clustered."""
    if rule.dispersion is None or rule.calm_lasting is not None:
        return 1.0
    odds = rule.ratio * units.e_c / max(units.e_s, 1)
    return 1 / float(tempering.inflation(rule.noise, units.x_c + units.x_s, odds / (1 + odds)))
