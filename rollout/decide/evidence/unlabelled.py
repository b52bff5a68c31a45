"""Units without the label that tells bad ones: how many there are, and when they blind.

Few are judged against whoever gains by them: for a promotion the canary's are bad and stable's are
good, for a rollback the other way round. With more the comparison says nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from analysis.counting.counts import Counts
from analysis.counting.cursor import Arm, Series
from analysis.fast_replace import replace
from rollout.decide.state.guardrail import GuardrailState, UnlabelledUnits
from rollout.plan.fields.metric import DeclaredMetric
from rollout.plan.fields.units import percent

MOST = 0.05
"""Share of a version's units without a label above which its guardrail is blind."""


def count_unlabelled(guardrail: GuardrailState, counts: Counts) -> GuardrailState:
    """Return the guardrail with a look's units, from the first on that has none of its label."""
    before = guardrail.unlabelled
    if before is None and not counts.canary_unlabelled and not counts.stable_unlabelled:
        return guardrail
    return replace(guardrail, unlabelled=_add(before or UnlabelledUnits(), counts))


def _add(before: UnlabelledUnits, counts: Counts) -> UnlabelledUnits:
    return UnlabelledUnits(
        before.canary + counts.canary_unlabelled,
        before.stable + counts.stable_unlabelled,
        before.canary_units + counts.canary_exposures,
        before.stable_units + counts.stable_exposures,
    )


def count_standing(series: Iterable[Series]) -> UnlabelledUnits:
    """Return what counters show at their newest samples, as a look that began with them would."""
    units: Counter[tuple[Arm, bool]] = Counter()
    for entry in series:
        newest = entry.samples[-1][1][0]
        if entry.total and not entry.edges and math.isfinite(newest):
            units[entry.arm, False] += int(newest)
            units[entry.arm, True] += int(newest) * entry.unlabelled
    arms: tuple[Arm, ...] = ("canary", "stable")
    return UnlabelledUnits(*(units[arm, is_bare] for is_bare in (True, False) for arm in arms))


def describe_blinding(counts: Counts | UnlabelledUnits | None, metric: DeclaredMetric) -> str:
    """Return why units without a label blind a guardrail; empty where they are few."""
    unlabelled = _add(UnlabelledUnits(), counts) if isinstance(counts, Counts) else counts
    if unlabelled is None or not is_blinding(_join(unlabelled, metric)):
        return ""
    shares = describe_unlabelled(unlabelled, metric)
    return f"{shares}: above {percent(MOST)} nothing can be compared"


def is_blinding(unlabelled: UnlabelledUnits) -> bool:
    """Return whether too many units of a version have no label."""
    return max(_list_shares(unlabelled)) > MOST


def describe_unlabelled(unlabelled: UnlabelledUnits, metric: DeclaredMetric) -> str:
    """Say how many of both versions' units have no label that tells bad ones."""
    if metric.pairs is not None:
        both = _join(unlabelled, metric)
        return (
            f"{both.canary:,} of {both.canary_units:,} pairs have another winner or order than "
            "stable, canary or a tie"
        )
    canary, stable = (percent(float(f"{share:.2g}")) for share in _list_shares(unlabelled))
    labels = " or ".join(metric.labels_of_outcome)
    return f"{canary} of the canary's {metric.unit} and {stable} of stable's have no label {labels}"


def _join(unlabelled: UnlabelledUnits, metric: DeclaredMetric) -> UnlabelledUnits:
    """Return pairs of both orders together: one of unknown outcome may have no known order."""
    if metric.pairs is None:
        return unlabelled
    units = unlabelled.canary_units + unlabelled.stable_units
    return UnlabelledUnits(canary=unlabelled.canary + unlabelled.stable, canary_units=units)


def _list_shares(unlabelled: UnlabelledUnits) -> tuple[float, float]:
    return (
        unlabelled.canary / max(unlabelled.canary_units, 1),
        unlabelled.stable / max(unlabelled.stable_units, 1),
    )
