"""Tell whether the live buckets can prove a guardrail's tolerance, and which one they can."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations

import numpy as np

from analysis.counting.beyond import oriented
from analysis.counting.counts import EvidenceError
from analysis.counting.cursor import Cursor, Series, buckets, check
from analysis.counting.layout import on_common_edges
from analysis.histograms.alternatives import HistogramTolerance
from analysis.histograms.bucket_test import boundaries
from analysis.histograms.edges import ENOUGH, choose
from rollout.decide.state.rollout import test_of
from rollout.decide.text.numbers import decimal
from rollout.doctor.finding import Level
from rollout.observe.evidence import RawPart
from rollout.plan.fields.units import percent
from rollout.plan.model.guardrail import Guardrail


def of_buckets(guardrail: Guardrail, raw: RawPart) -> Iterator[tuple[Level, str, str]]:
    """Yield what is wrong with a histogram's buckets, by the distribution of stable until now.

    The edges are chosen as a rollout chooses them. Native histograms are fine enough for any
    tolerance that a plan can declare, and have no finding.
    """
    rule = test_of(guardrail).tolerance
    classic = [entry for entry in raw.series if entry.edges and entry.schema is None]
    if rule is None or not classic:
        return
    try:
        _, series = on_common_edges(Cursor(), classic)
        history = _add_up([entry for entry in series if entry.arm == "stable"])
        edges = series[0].edges
        cuts = boundaries(edges, rule.worse, relative=rule.relative)
    except EvidenceError:
        return  # a look says so itself
    except ValueError as error:
        yield "fail", str(error), "export other buckets, or choose another template"
        return
    if sum(history) < ENOUGH or not cuts:
        return
    past = oriented(history, rule.worse)
    if choose(past, cuts, rule.step):
        return
    wanted = _format(rule, rule.tolerance)
    layout = ", ".join(decimal(edge) for edge in edges[:-1])
    message = f"its buckets ({layout}) cannot prove a tolerance of {wanted}: it would be blind"
    least = _find_least(rule, past, cuts)
    if least is None:
        yield (
            "fail",
            message,
            f"export finer buckets where stable's values lie, or {_suggest_edge(guardrail)}",
        )
        return
    fix = (
        f"set its tolerance to {_format(rule, least)}, the smallest that these buckets prove, or "
        f"export buckets that are at most {wanted} apart where stable's worst fifth lies, or "
        f"{_suggest_edge(guardrail)}"
    )
    yield "fail", message, fix


def _suggest_edge(guardrail: Guardrail) -> str:
    return f"judge the share beyond one of these edges (`{guardrail.metric.key_of_edge}`)"


def _add_up(series: list[Series]) -> tuple[int, ...]:
    """Return the units per bucket of all series at their newest samples."""
    newest = [buckets(check(entry.samples[-1][1])) for entry in series]
    return tuple(map(sum, zip(*newest, strict=True)))


def _find_least(
    rule: HistogramTolerance, past: np.ndarray, cuts: tuple[float, ...]
) -> float | None:
    """Return the smallest tolerance for which edges can be chosen; None if there is none."""
    steps = {round(high - low, 9) for low, high in combinations(cuts, 2)}
    for step in sorted(steps):
        # A hair more, or rounding alone could take the partner away.
        if choose(past, cuts, step * (1 + 1e-6)):
            return round(math.expm1(step) if rule.relative else step, 6)
    return None


def _format(rule: HistogramTolerance, tolerance: float) -> str:
    return percent(tolerance) if rule.relative else decimal(tolerance)
