"""Tell whether the live buckets can prove a guardrail's tolerance, and which one they can."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from analysis.counting.beyond import NUMBERS, SCALES, ends_scale, oriented
from analysis.counting.counts import EvidenceError
from analysis.counting.cursor import Cursor, Series, buckets, check
from analysis.counting.layout import on_common_edges
from analysis.histograms.alternatives import HistogramTolerance
from analysis.histograms.bucket_test import boundaries
from analysis.histograms.edges import ENOUGH, Pair, choose
from rollout.decide.state.rollout import test_of
from rollout.decide.text.numbers import decimal, join
from rollout.doctor.finding import Level
from rollout.observe.evidence import RawPart
from rollout.plan.fields.units import percent
from rollout.plan.model.guardrail import Guardrail

_TAIL = 0.2  # of stable's units: the edges of its worst fifth are those that a proof needs
_PARTNERS = 4  # edges that are proposed where each has its place
_CUTS = 16  # and where a whole bucket is cut
_DIGITS = 4
_SCALES = ", ".join(f"{end:g}" for end in sorted(SCALES - {NUMBERS}))


@dataclass(frozen=True)
class Resolution:
    """Stable's past units per bucket in the order of badness, and the boundaries between them."""

    rule: HistogramTolerance
    past: np.ndarray
    cuts: tuple[float, ...]
    edges: tuple[float, ...]

    @property
    def is_known(self) -> bool:
        """Whether stable has enough units to choose edges by."""
        return bool(self.past.sum() >= ENOUGH and self.cuts)

    def choose(self, step: float) -> tuple[Pair, ...]:
        """Choose the edges for a tolerance as a rollout does."""
        return choose(self.past, self.cuts, step)

    def find_least(self) -> tuple[float, Pair] | None:
        """Return the smallest tolerance that can be proven, and its widest pair of edges."""
        steps = {round(high - low, 9) for low, high in combinations(self.cuts, 2)}
        for step in sorted(steps):
            # A hair more, or rounding alone could take the partner away.
            if chosen := self.choose(step * (1 + 1e-6)):
                least = round(math.expm1(step) if self.rule.relative else step, 6)
                return least, max(chosen, key=lambda p: self.cuts[p.edge] - self.cuts[p.partner])
        return None

    def propose(self) -> list[float]:
        """Return edges that prove the tolerance if they are added.

        Where edges have some of stable's worst fifth beyond them, each needs a partner a tolerance
        before it. Where none has, the worst units' bucket has to be cut; nobody knows where.
        """
        step = self.rule.step
        beyond = self.past[::-1].cumsum()[::-1][1:] / self.past.sum()
        shares = zip(self.cuts, beyond, strict=True)
        near = [cut - step for cut, share in shares if 0 < share <= _TAIL][:_PARTNERS]
        return sorted(map(self.spell_back, near)) or self._cut_worst_bucket()

    def _cut_worst_bucket(self) -> list[float]:
        """Return edges a tolerance apart through the bucket of stable's worst units."""
        worst = int(np.flatnonzero(self.past)[-1])
        if worst >= len(self.cuts):  # beyond all edges, where nothing says how far
            return []
        low = self.cuts[worst - 1] if worst else -math.inf
        edges = [self.spell_back(self.cuts[worst])]
        while len(edges) <= _CUTS and (cut := self._cut_at(edges[-1]) - self.rule.step) > low:
            edges.append(self.spell_back(cut))
        return sorted(edges[1:])

    def _cut_at(self, edge: float) -> float:
        cut = math.log(edge) if self.rule.relative else edge
        return cut if self.rule.worse == "high" else -cut

    def spell_back(self, cut: float) -> float:
        """Return the edge of a boundary; rounded, it is never further away than the tolerance."""
        edge = math.exp(cut) if self.rule.relative else cut
        edge = edge if self.rule.worse == "high" else -edge
        if not edge:
            return edge
        size = 10.0 ** (_DIGITS - 1 - math.floor(math.log10(abs(edge))))
        scaled = round(edge * size, 6)
        whole = math.ceil(scaled) if self.rule.worse == "high" else math.floor(scaled)
        return whole / size


def of_buckets(guardrail: Guardrail, raw: RawPart) -> Iterator[tuple[Level, str, str]]:
    """Yield what is wrong with a histogram's buckets, by the distribution of stable until now.

    The edges are chosen as a rollout chooses them. Native histograms are fine enough for any
    tolerance that a plan can declare, and have no finding.
    """
    try:
        resolution = _read(guardrail, raw)
    except EvidenceError:
        return  # a look says so itself
    except ValueError as error:
        yield "fail", str(error), "export other buckets, or choose another template"
        return
    if resolution is not None and not resolution.cuts:
        message = "its only bucket is +Inf, which tells nothing of its values: it would be blind"
        yield "fail", message, "export buckets, or a native histogram"
        return
    if resolution is None or not resolution.is_known or resolution.choose(resolution.rule.step):
        return
    rule = resolution.rule
    wanted = _format(rule, rule.tolerance)
    layout = ", ".join(decimal(edge) for edge in resolution.edges[:-1])
    message = f"its buckets ({layout}) cannot prove a tolerance of {wanted}: it would be blind"
    yield "fail", message, _propose_cure(guardrail, resolution, wanted)


def of_scale(guardrail: Guardrail, raw: RawPart) -> Iterator[tuple[Level, str, str]]:
    """Yield that scores beyond the last edge count as the best, where NaN may be among them."""
    metric = guardrail.metric
    if metric.kind != "shape" or metric.worse == "high":
        return
    open_ended = [
        entry.edges[-2]
        for entry in raw.series
        if len(entry.edges) > 1
        and entry.schema is None
        and not ends_scale(entry.edges, metric.edge)
        and entry.samples[-1][1][-1] > entry.samples[-1][1][-2]
    ]
    if open_ended:
        message = (
            f"what lies beyond its last edge, {metric.spell(open_ended[0])}, counts as the best, "
            "and clients count NaN there too"
        )
        fix = (
            f"export an edge where the scale ends ({_SCALES}); nothing to do if values have no end"
        )
        yield "warn", message, fix


def describe_finest(guardrail: Guardrail, raw: RawPart) -> str:
    """Return the smallest tolerance that stable's buckets can judge, and where; or nothing."""
    try:
        resolution = _read(guardrail, raw)
    except ValueError:  # told elsewhere
        return ""
    if resolution is None or not resolution.is_known:
        return ""
    least = resolution.find_least()
    if least is None:
        return "no tolerance can be judged by them"
    tolerance, pair = least
    cuts = (resolution.cuts[pair.partner], resolution.cuts[pair.edge])
    spelled = sorted(resolution.spell_back(cut) for cut in cuts)
    low, high = (guardrail.metric.spell(edge) for edge in spelled)
    return f"the finest tolerance is {_format(resolution.rule, tolerance)}: {low} to {high}"


def _propose_cure(guardrail: Guardrail, resolution: Resolution, wanted: str) -> str:
    rule, spell = resolution.rule, guardrail.metric.spell
    edge_key = f"judge the share beyond one of these edges (`{guardrail.metric.key_of_edge}`)"
    proposed = join([spell(edge) for edge in resolution.propose()])
    export = f"for {wanted} export also edges, like this: {proposed}"
    if not proposed:
        export = f"export buckets that are at most {wanted} apart where stable's worst fifth lies"
    least = resolution.find_least()
    if least is None:
        return f"{export}, or {edge_key}"
    smallest = (
        f"set its tolerance to {_format(rule, least[0])}, the smallest that these buckets prove"
    )
    return f"{smallest}, or {export}, or {edge_key}"


def _read(guardrail: Guardrail, raw: RawPart) -> Resolution | None:
    """Return what can be told of classic buckets. Raises EvidenceError, and ValueError."""
    rule = test_of(guardrail, watches_collapse=False).tolerance
    classic = [entry for entry in raw.series if entry.edges and entry.schema is None]
    if rule is None or not classic:
        return None
    _, series = on_common_edges(Cursor(), classic)
    history = _add_up([entry for entry in series if entry.arm == "stable"])
    edges = series[0].edges
    cuts = boundaries(edges, rule.worse, relative=rule.relative)
    return Resolution(rule, oriented(history, rule.worse), cuts, edges)


def _add_up(series: list[Series]) -> tuple[int, ...]:
    """Return the units per bucket of all series at their newest samples."""
    newest = [buckets(check(entry.samples[-1][1])) for entry in series]
    return tuple(map(sum, zip(*newest, strict=True)))


def _format(rule: HistogramTolerance, tolerance: float) -> str:
    return percent(tolerance) if rule.relative else decimal(tolerance)
