"""A judge beside people: the share of bad answers by both together, and how far they agree.

People label few answers, a judge scores many. Where it is known of the same answers what both said,
the judge's scores of all the others make the people's share more precise, and cannot bias it: what
the judge gets wrong on average is measured on the labelled answers and taken off.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist


@dataclass(frozen=True)
class JointTable:
    """Answers that a person and the judge labelled, by what both said; `judge_bad` both ways."""

    both_bad: int = 0
    judge_bad: int = 0  # and good to the person
    human_bad: int = 0  # and good to the judge
    both_good: int = 0

    @property
    def labelled(self) -> int:
        """All answers of the table."""
        return self.both_bad + self.judge_bad + self.human_bad + self.both_good

    @property
    def agreement(self) -> float | None:
        """The share of answers of which both say the same; None without any.

        Source: Cohen, Educational and Psychological Measurement 20 (1960), 37-46, p_o.
        """
        return (self.both_bad + self.both_good) / self.labelled if self.labelled else None

    @property
    def kappa(self) -> float | None:
        """Agreement beyond chance, (p_o - p_e) / (1 - p_e); None where chance alone agrees always.

        Source: Cohen, Educational and Psychological Measurement 20 (1960), 37-46.
        """
        observed, n = self.agreement, self.labelled
        if observed is None:
            return None
        judge, human = (self.both_bad + self.judge_bad) / n, (self.both_bad + self.human_bad) / n
        by_chance = judge * human + (1 - judge) * (1 - human)
        return (observed - by_chance) / (1 - by_chance) if by_chance < 1 else None


@dataclass(frozen=True)
class PoweredShare:
    """A share with its variance; `weight` is how far the judge's other scores entered, 0 to 1."""

    share: float
    variance: float
    weight: float

    def bound(self, level: float) -> tuple[float, float]:
        """Bound the share, asked once, at a confidence of 1 - `level`; within 0 and 1.

        Source: the normal interval of `estimate_share`.
        """
        half = NormalDist().inv_cdf(1 - level / 2) * math.sqrt(self.variance)
        return max(self.share - half, 0.0), min(self.share + half, 1.0)


def estimate_share(table: JointTable, scored: int, scored_bad: int) -> PoweredShare | None:
    """Estimate the share that people would call bad, with the judge's scores of other answers.

    `scored` answers without a person's label, of which the judge calls `scored_bad` bad. With n
    labels Y and scores F of the same answers, N other scores, and the weight l,

        share = mean(Y) + l (mean of the others' scores - mean(F)),
        variance = l^2 var(F) / N + var(Y - l F) / n,
        l = cov(Y, F) / ((1 + n / N) var(F)), clipped to 0 and 1,

    with var(F) over all scores. l = 0 is the people's share alone, l = 1 prediction-powered
    inference without tuning. None with fewer than two labels. The interval is asymptotic, and holds
    where it is asked once. With no label called bad, or all, by people and judge, the variance is 0
    by the formula: a person's label of each kind is added to it, as Agresti & Coull do (1998).

    Source: Angelopoulos, Duchi & Zrnic, "PPI++: Efficient Prediction-Powered Inference",
    arXiv 2311.01453 (2023), example 6.1 and section 6; Angelopoulos, Bates, Fannjiang, Jordan &
    Zrnic, Science 382 (2023), 669-674.
    """
    n = table.labelled
    if n < _FEWEST:
        return None
    y, f = (table.both_bad + table.human_bad) / n, (table.both_bad + table.judge_bad) / n
    covariance = table.both_bad / n - y * f
    pooled = (n * f + scored_bad) / (n + scored)
    spread = pooled * (1 - pooled)
    weight = 0.0
    if scored and spread > 0:
        weight = min(max(covariance / ((1 + n / scored) * spread), 0.0), 1.0)
    others = scored_bad / scored if scored else f
    of_labels = y * (1 - y) + weight**2 * f * (1 - f) - 2 * weight * covariance
    if of_labels <= 0:
        careful = (y * n + 1) / (n + 2)
        of_labels = careful * (1 - careful)
    variance = of_labels / n + (weight**2 * spread / scored if scored else 0.0)
    share = min(max(y + weight * (others - f), 0.0), 1.0)
    return PoweredShare(share, variance, weight)


_FEWEST = 2
