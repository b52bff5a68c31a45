"""The sequential test of the canary's own share of bad units against a limit."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from analysis.counting.counts import Counts
from analysis.counting.per_pod import PodCounts
from analysis.dispersion import tempering
from analysis.dispersion.dispersion import Dispersion
from analysis.dispersion.estimate import ExposureHistory, estimate
from analysis.dispersion.totals import estimate_totals
from analysis.fast_replace import replace
from analysis.rates import ratio_test
from analysis.rates import risk_difference as contrasts
from analysis.rates.limit import limit_one, log_rise
from analysis.rates.risk_difference import Contrast, Units
from analysis.verdict.readout import Readout, harm_share, proof_share, read_contrast
from analysis.verdict.sequential_test import Logs

PERFECT = 1000
"""Units of a perfect stable for each of the canary's: with so many it is as good as known."""

_NOTHING = (0.0,) * ratio_test.POINTS.size


@dataclass(frozen=True)
class LimitTest:
    """A `SequentialTest` of one sample: the canary's share of bad units is at most `limit`.

    It is the ratio test and the excess bound with the limit as an absolute margin above a stable
    version that fails at nothing: their bounds hold for every share of stable's, also for 0. A
    look's evidence is divided by how much more bad units vary than independent ones: that is one
    bet for each cluster at most (Jensen's inequality). It is `tempering.inflation_alone`; older
    journals have divided by what stable's own number of bad units varies by, although a limit may
    allow many times as many. Rare troubles win no more than `limit.limit` allows.
    """

    limit: float
    dispersion: Dispersion | None = None
    harm: tuple[float, ...] = _NOTHING
    rise: tuple[float, ...] = _NOTHING
    rise_looks: tuple[float, ...] = _NOTHING
    contrast: Contrast = field(default_factory=Contrast)

    weighs_evidence = True
    is_shown_only = False
    finding = ""
    is_alone = True
    is_broken = False
    tolerance = None

    @property
    def problem(self) -> str:
        """Why no valid test exists under this dispersion; empty if one does."""
        return self.dispersion.problem if self.dispersion else ""

    @property
    def canary_units(self) -> int:
        """The canary's units that were compared so far."""
        return self.contrast.e_c

    @property
    def stable_units(self) -> int:
        """None of stable's: the canary is judged alone."""
        return 0

    @cached_property
    def logs(self) -> Logs:
        """The logs of `ratio_test.log_harm` and `risk_difference.log_safe`; no crash is watched."""
        harm = float(ratio_test.log_harm(self.harm))
        return Logs(harm, contrasts.log_safe(self.contrast, self.limit), None)

    @property
    def log_rise(self) -> float:
        """The log of the evidence of the rise under way, see `limit.log_rise`."""
        return log_rise(self.rise) if self.dispersion and self.dispersion.trouble else 0.0

    def learn(self, counts: Counts) -> LimitTest:  # noqa: ARG002  # the same signature as a rate's
        """Return the same: stable's shares have no say."""
        return self

    def watch(self, counts: Counts) -> LimitTest:  # noqa: ARG002  # the same signature as a rate's
        """Return the same: a cold start is no evidence."""
        return self

    def update(self, counts: Counts) -> LimitTest:
        """Run a counted look. Raises EvidenceError for a histogram's counts."""
        e_c, x_c = counts.canary_exposures, counts.canary_bad
        if not e_c or self.problem:
            return self
        e_s, weight = PERFECT * e_c, 1 / self._compute_inflation(e_c)
        gain = weight * ratio_test.gain(e_c, e_s, x_c, 0, ratio=1.0, absolute=self.limit)
        trouble = self.dispersion.trouble if self.dispersion else 0
        gain, rise, rise_looks = limit_one(gain, self.rise, self.rise_looks, trouble)
        doubted = Units(e_c, e_s, x_c + counts.canary_unlabelled, 0, 0)
        return replace(
            self,
            harm=tuple((np.array(self.harm) + gain).tolist()),
            rise=rise,
            rise_looks=rise_looks,
            contrast=contrasts.compared(self.contrast, doubted, 1.0, weight),
        )

    def _compute_inflation(self, e_c: int) -> float:
        """Compute how much more bad units vary than independent ones in a look."""
        of = self.dispersion
        if of is None:
            return 1.0
        if of.rate is None:
            return max(1.0, of.cluster, of.inflation)
        return float(tempering.inflation_alone(tempering.noise(of), e_c, self.limit))

    def without_harm_bets(self) -> LimitTest:
        """Reset the bets on harm."""
        return replace(self, harm=_NOTHING, rise=_NOTHING, rise_looks=_NOTHING)

    def with_dispersion(self, dispersion: Dispersion) -> LimitTest:
        """Temper all further evidence by the pods' dispersion."""
        return replace(self, dispersion=dispersion)

    def estimate_dispersion(self, past: PodCounts, pods_canary: int | None) -> Dispersion:
        """Estimate the bad units' dispersion. Raises as `estimate.estimate` does."""
        if pods_canary is None:
            return estimate_totals(past.exposures.sum(axis=1), past.counts[..., 1].sum(axis=1))
        return estimate(ExposureHistory(past.exposures, past.counts[..., 1]), pods_canary)

    def excess_rate(self, alpha: float) -> None:
        """Return nothing, because no excess above stable is estimated."""

    def read(self, log_harm: float, alpha: float, beta: float) -> Readout:
        """Compute the numbers for display; `log_harm` is the log of the weighted e-process."""
        plain = Readout(
            harm=harm_share(log_harm, alpha),
            safe=proof_share(self.logs.safe, beta),
            words="share of bad units",
        )
        read = read_contrast(plain, self.contrast, self.limit, alpha, beta)
        return replace(read, stable=0, stable_bad=0)

    def read_edges(self, alpha: float, beta: float) -> tuple[Readout, ...]:  # noqa: ARG002  # the same signature as a histogram's
        """Return nothing, because there are no edges."""
        return ()
