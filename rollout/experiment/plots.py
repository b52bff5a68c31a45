"""The charts of an experiment, each drawn from the table of the same name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from rollout.errors import InputError
from rollout.experiment.frame import MISSING, list_rows, to_columns
from rollout.experiment.plan_source import PlanSource
from rollout.experiment.tables import (
    evidence,
    goals,
    power,
    rates,
    same_version,
    scorecard,
    segments,
    sensitivity,
    share,
    timeline,
    uplift,
    what_if,
)
from rollout.experiment.tables.evidence import CRASH, SEGMENTS, TOGETHER, EvidenceRow, IntervalRow
from rollout.experiment.tables.quality import pairs, people
from rollout.experiment.tables.timeline import EventRow, WeightRow
from rollout.plan.fields.units import percent
from rollout.review.history import RecordedRollout

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Columns = dict[str, list[Any]]
NOTHING = "nothing was compared"
_WIDTH = 90  # letters in a line of a chart's title
_MOVES = (
    *("advance", "hold back", "promote", "roll back", "retreat", "reallocate", "undo", "hold"),
    "make route",
)


@dataclass(frozen=True)
class Plots:
    """Draws one rollout's charts; each returns a matplotlib figure.

    With `only` those that have a panel for each guardrail draw these alone: a page holds a few.
    Raises InputError where matplotlib is not installed.
    """

    record: RecordedRollout
    only: frozenset[str] | None = None

    def __post_init__(self) -> None:
        try:
            import matplotlib as mpl
        except ImportError:
            raise InputError(MISSING.format("matplotlib").replace("tables", "charts")) from None
        del mpl

    def timeline(self) -> Figure:
        """Draw the canary's confirmed share of traffic, and the decisions."""
        from analysis.charts.timeline import weight

        return weight(self._steps, self._marks, f"{self.record.rollout}: traffic")

    def evidence(self) -> Figure:
        """Draw the evidence of harm against the boundary of a rollback."""
        return self._draw_evidence("harm", self.record.alpha, "worse than allowed", "roll back")

    def safety(self) -> Figure:
        """Draw the evidence of safety against the boundary of a promotion."""
        return self._draw_evidence("safety", self.record.beta, "within its margins", "proven")

    def _draw_evidence(self, column: str, level: float, what: str, meaning: str) -> Figure:
        from analysis.charts.timeline import evidence as draw

        table = to_columns(evidence.evidence(self.record), EvidenceRow)
        seconds = [*dict.fromkeys(table["seconds"])]
        lines: dict[str, list[float]] = {}
        rows = zip(table["seconds"], table["guardrail"], table[f"log10_{column}"], strict=True)
        places = {at: index for index, at in enumerate(seconds)}
        for at, name, log in rows:
            if column == "safety" and name in {CRASH, SEGMENTS, TOGETHER}:
                continue
            label = "mean" if name == TOGETHER else name
            line = lines.setdefault(label, [float("nan")] * len(seconds))
            if log is not None:
                line[places[at]] = log
        lines = {name: line for name, line in lines.items() if not all(map(math.isnan, line))}
        title = f"Evidence that the canary is {what}"
        return draw(
            seconds, lines, level, steps=self._steps, marks=self._marks, title=title,
            meaning=meaning,
        )  # fmt: skip

    def intervals(self) -> Figure:
        """Draw each guardrail's difference with its interval and its margin.

        A histogram is drawn at the edge that decides at the last look.
        """
        from analysis.charts.timeline import intervals as draw

        table = self._group(to_columns(evidence.intervals(self.record), IntervalRow))
        panels = {name: _follow_edge(columns) for name, columns in table.items()}
        panels = {name: columns for name, columns in panels.items() if columns["seconds"]}
        title = "Difference of bad shares, with what is allowed"
        return draw(
            panels, steps=self._steps, marks=self._marks, title=title, interval=self._interval
        )

    def rates(self) -> Figure:
        """Draw each version's share of bad units by look."""
        from analysis.charts.comparison import rates as draw

        table = self._group(to_columns(rates.rates(self.record), rates.RateRow))
        panels = {name: _group(columns, "version") for name, columns in table.items()}
        title = "Bad units of each version, look by look"
        return draw(panels, steps=self._steps, marks=self._marks, title=title)

    def distributions(self) -> Figure:
        """Draw how values lie, and between which edges their quantiles are."""
        from analysis.charts.comparison import distributions as draw

        buckets = self._group(to_columns(rates.distributions(self.record), rates.BucketRow))
        brackets = self._group(to_columns(rates.quantiles(self.record), rates.QuantileRow))
        return draw(
            {name: _group(columns, "version") for name, columns in buckets.items()},
            {name: _group(columns, "version") for name, columns in brackets.items()},
            "How values lie, over all looks that were compared",
            empty=NOTHING if self._counts_values else "no guardrail counts values in buckets",
        )

    def share(self) -> Figure:
        """Draw the canary's share of requests and labels against the expected one."""
        from analysis.charts.comparison import shares as draw

        table = _group(to_columns(share.share(self.record), share.ShareRow), "of")
        title = "The canary's share, against its weight"
        return draw(table, steps=self._steps, marks=self._marks, title=title)

    def scorecard(self) -> Figure:
        """Draw each guardrail's last interval, in multiples of what it allows."""
        from analysis.charts.rows import intervals as draw

        table = to_columns(scorecard.scorecard(self.record), scorecard.ScorecardRow)
        rows = [_scale(row) for row in list_rows(table)]
        columns: Columns = {
            name: [row[name] for row in rows if row]
            for name in ("label", "estimate", "low", "high", "allowed")
        }
        heading = "each guardrail's difference, of units of the canary and of stable"
        groups: dict[str, Columns] = {heading: columns}
        return draw(
            groups if columns["label"] else {},
            axis="difference, in multiples of what the plan allows",
            limit="allowed at most",
            title=f"{self.record.rollout}: {self.record.state.phase}",
            interval=self._interval,
        )

    def uplift(self, level: float = 0.05) -> Figure:
        """Draw each difference with its two-sided interval, and no margin."""
        from analysis.charts.rows import intervals as draw

        rows = [*uplift.uplift(self.record, level)]
        columns: Columns = {
            "label": [
                f"{row.guardrail}, {row.what}: "
                f"{row.conclusion if row.canary_units else 'not enough'} "
                f"{_count(row.canary_units, row.stable_units)}"
                for row in rows
            ],
            "estimate": [row.difference for row in rows],
            "low": [row.low for row in rows],
            "high": [row.high for row in rows],
        }
        groups: dict[str, Columns] = {
            f"canary minus stable; better is left of zero; all rows together err with {level:g}"
            f"{_list_conditions(row.note for row in rows if row.canary_units)}": columns
        }
        return draw(
            groups if rows else {},
            axis="difference of shares (percentage points)",
            form=lambda share: f"{share * 100:g}",
            title="Is the canary better?",
            interval=_name_interval(level),
        )

    def pairs(self) -> Figure:
        """Draw the canary's share of wins, and the first place's, over both orders and by order."""
        from analysis.charts.rows import intervals as draw

        groups: dict[str, Columns] = {}
        for row in pairs.pairs(self.record):
            columns = groups.setdefault(row.guardrail, _begin_columns())
            is_both = row.first == pairs.BOTH
            label = "over both orders alike" if is_both else f"{row.first} read first"
            label = f"the canary wins, {label} ({row.won + row.lost:,} decided pairs)"
            allowed = row.allowed if is_both else None  # one order says nothing of the versions
            _add_share(columns, label, (row.share, row.low, row.high), allowed)
            if is_both:
                first = row.first_won, row.first_low, row.first_high
                _add_share(columns, "the first place wins, over both orders alike", first, None)
        level = self.record.state.plan.spec.false_winner
        title = (
            f"Pairs; over both orders intervals hold at all looks at once and err with {level:g}"
        )
        return draw(
            groups,
            axis="share of decided pairs (%)",
            limit="allowed at least",
            zero="a half",
            title=title,
            empty="no guardrail of the plan compares pairs of answers",
            form=lambda share: f"{(share + 0.5) * 100:g}",
        )

    def quality(self) -> Figure:
        """Draw what the judge and people call bad, and both together, by version."""
        from analysis.charts.rows import intervals as draw

        groups: dict[str, Columns] = {}
        for row in people.quality(self.record):
            if row.version == people.DIFFERENCE:
                continue
            title = f"{row.guardrail}, {row.version}: {row.combined}{_say_agreement(row)}"
            columns = groups.setdefault(title, _begin_columns())
            for label, own, count in (
                (f"the judge, of {row.scored:,} scores", row.judge_share, row.scored),
                (
                    f"people, of {scorecard.count(row.labelled, 'label')}",
                    row.human_share,
                    row.labelled,
                ),
            ):
                low, high = rates.find_wilson(round((own or 0.0) * count), count)
                _add_row(columns, label, (own, low, high))
            if row.share is not None:
                _add_row(columns, "both together", (row.share, row.low, row.high))
        return draw(
            groups,
            axis="share of bad answers (%), with 95 % intervals, asked once",
            zero="",
            title="What the judge and people call bad",
            empty="no guardrail of the plan has labels of people",
            form=lambda share: f"{share * 100:g}",
        )

    def goals(self) -> Figure:
        """Draw each goal's difference with its interval at all looks at once."""
        from analysis.charts.rows import intervals as draw

        rows = [row for row in goals.goals(self.record) if row.difference is not None]
        columns: Columns = {
            "label": [
                f"{row.goal}{f' ({row.segment})' if row.segment else ''}, "
                f"{row.what}: {row.conclusion} {_count(row.canary_units, row.stable_units)}"
                for row in rows
            ],
            "estimate": [row.difference for row in rows],
            "low": [row.low for row in rows],
            "high": [row.high for row in rows],
        }
        level = self.record.state.plan.spec.false_winner
        title = f"better is left of zero; all goals together err with {level:g}"
        title += _list_conditions(row.note for row in rows if row.conclusion != uplift.OPEN)
        groups: dict[str, Columns] = {title: columns}
        return draw(
            groups if rows else {},
            axis="difference of shares (percentage points)",
            form=lambda share: f"{share * 100:g}",
            title="The plan's goals",
            interval=_name_interval(level),
            empty=NOTHING if self.record.state.plan.spec.goals else "the plan has no goals",
        )

    def segments(self, label: str | None = None, level: float = 0.05) -> Figure:
        """Draw each segment's difference with its interval, by guardrail."""
        from analysis.charts.rows import intervals as draw

        rows = [*segments.segments(self.record, label, level)]
        groups: dict[str, Columns] = {}
        for row in rows:
            name = f"{row.guardrail}, by {row.label}"
            group = groups.setdefault(name, _begin_columns())
            is_told = row.canary_units is not None  # the table says why not
            count = _count(row.canary_units, row.stable_units) if is_told else "(not told)"
            words = f"{row.segment}, {row.verdict} {count}"
            _add_row(group, words, (row.difference, row.low, row.high), row.allowed)
        return draw(
            groups,
            axis="canary minus stable (percentage points)",
            limit="allowed at most",
            form=lambda share: f"{share * 100:g}",
            title="Each segment by itself",
            interval=self._interval,
            empty="the plan splits by no label",
        )

    def sensitivity(self) -> Figure:
        """Draw each result as recorded and under each other choice."""
        from analysis.charts.rows import intervals as draw

        table = to_columns(sensitivity.sensitivity(self.record), sensitivity.SensitivityRow)
        groups: dict[str, Columns] = {
            name: {
                "label": [
                    f"{case} ({units:,})"
                    for case, units in zip(columns["case"], columns["canary_units"], strict=True)
                ],
                "estimate": columns["difference"],
                "low": columns["low"],
                "high": columns["high"],
            }
            for name, columns in self._group(table).items()
            if _has_results(columns)
        }
        return draw(
            groups,
            axis="canary minus stable (percentage points)",
            form=lambda share: f"{share * 100:g}",
            title="The same record under other choices, with the canary's units",
            interval=self._interval,
        )

    def power(self) -> Figure:
        """Draw the least harm that is found in half of all rollouts."""
        from analysis.charts.rows import multiples as draw

        table = to_columns(power.power(self.record), power.PowerRow)
        columns = {
            "label": [
                f"{name}, by {'now' if by == 'now' else 'the deadline'} ({units:,})"
                for name, by, units in zip(
                    table["guardrail"], table["by"], table["canary_units"], strict=True
                )
            ],
            "times": table["least_times"],
        }
        axis = "multiple of stable's share of bad units, of a histogram of its tolerance"
        return draw(columns, axis=axis, title="The least harm that is found as a rule")

    def aa(self, n: int = 100, seed: int = 0) -> Figure:
        """Draw how often the tests find harm between stable and itself."""
        from analysis.charts.rows import intervals as draw

        row = same_version.compare_same_version(self.record, n, seed)
        columns: Columns = {
            "label": [f"{row.runs:,} splits of stable" if row.runs else row.note],
            "estimate": [row.share],
            "low": [None if row.share is None else 0.0],
            "high": [row.bound],
            "allowed": [row.declared],
        }
        return draw(
            {"rolled back although both sides are stable": columns},
            axis="share of splits (%), with its 95 % upper bound",
            limit="declared by the plan",
            zero="",
            form=lambda share: f"{share * 100:g}",
        )

    def health(self) -> Figure:
        """Write what to ask of the data, with a sign for each answer."""
        from analysis.charts.rows import answers as draw

        table = to_columns(share.health(self.record), share.HealthRow)
        return draw(table, "Can these numbers be read?")

    def what_if(
        self,
        alpha: float | None = None,
        margins: Mapping[str, Any] | None = None,
        plan: PlanSource | None = None,
        *,
        beta: float | None = None,
    ) -> Figure:
        """Draw when another plan would have concluded on the same record."""
        from analysis.charts.rows import moments as draw

        document = what_if.choose_plan(self.record, what_if.Changes(alpha, beta, margins), plan)
        table = to_columns(what_if.what_if(self.record, document), what_if.WhatIfRow)
        columns = {
            "label": table["conclusion"],
            "the recorded plan": table["recorded_seconds"],
            "the other plan": table["seconds"],
        }
        names = ("the recorded plan", "the other plan")
        return draw(columns, names, "When each plan concludes, on the same looks")

    def replay(self) -> Figure:
        """Draw the looks whose decision comes out as recorded, and those where it does not."""
        from analysis.charts.rows import moments as draw

        table = to_columns(evidence.replay(self.record), evidence.ReplayRow)
        rows = [*zip(table["seconds"], table["differs"], table["recorded"], strict=True)]
        labels = [*dict.fromkeys(recorded for _, _, recorded in rows)]
        columns: Columns = {"label": [], "as recorded": [], "otherwise": []}
        for seconds, differs, recorded in rows:
            columns["label"].append(labels.index(recorded))
            columns["as recorded"].append(None if differs else seconds)
            columns["otherwise"].append(seconds if differs else None)
        return draw(columns, ("as recorded", "otherwise"), "Decided again", labels=labels)

    def _group(self, columns: Columns) -> dict[str, Columns]:
        """Split columns by guardrail, those that are drawn."""
        groups = _group(columns, "guardrail")
        return {name: own for name, own in groups.items() if self.only is None or name in self.only}

    @property
    def _interval(self) -> str:
        """Name the guardrails' intervals with their levels."""
        low, high = percent(1 - self.record.alpha), percent(1 - self.record.beta)
        return f"interval at all looks at once ({low} from below, {high} from above)"

    @property
    def _counts_values(self) -> bool:
        guardrails = self.record.state.plan.spec.guardrails
        return any(guardrail.metric.kind == "shape" for guardrail in guardrails)

    @property
    def _steps(self) -> Columns:
        return to_columns(timeline.weights(self.record), WeightRow)

    @property
    def _marks(self) -> Columns:
        """The decisions: seconds, action, to."""
        table = to_columns(timeline.timeline(self.record), EventRow)
        rows = [row for row in list_rows(table) if row["reasons"]]
        return {
            "seconds": [row["seconds"] for row in rows],
            "action": [_find_action(row["event"]) for row in rows],
            "to": [row["to"] or 0.0 for row in rows],
        }


def _name_interval(level: float) -> str:
    return f"interval at all looks at once ({percent(1 - level)})"


def _say_agreement(row: people.QualityRow) -> str:
    """Say how far judge and people agree: `; they agree on 93 % (kappa 0.71)`."""
    if row.agreement is None:
        return ""
    kappa = "" if row.kappa is None else f" (kappa {row.kappa:.2f})"
    return f"; they agree on {row.agreement * 100:.3g} % of {row.labelled:,}{kappa}"


def _count(canary: int | None, stable: int | None) -> str:
    """Write the units of a comparison: the canary's and stable's."""
    return f"({canary:,} and {stable:,})"


_Bounds = tuple[float | None, float | None, float | None]  # estimate, low, high


def _add_row(columns: Columns, label: str, bounds: _Bounds, allowed: float | None = None) -> None:
    columns["label"].append(label)
    for name, bound in zip(("estimate", "low", "high", "allowed"), (*bounds, allowed), strict=True):
        columns[name].append(bound)


def _begin_columns() -> Columns:
    return {"label": [], "estimate": [], "low": [], "high": [], "allowed": []}


def _add_share(columns: Columns, label: str, bounds: _Bounds, allowed: float | None) -> None:
    """Add a share with its bounds as distances from a half."""
    estimate, low, high, limit = (
        None if bound is None else bound - 0.5 for bound in (*bounds, allowed)
    )
    _add_row(columns, label, (estimate, low, high), limit)


def _list_conditions(notes: Iterable[str]) -> str:
    """Return lines for a title: under what its conclusions hold; empty where it has none."""
    conditions = dict.fromkeys(filter(None, notes))
    return "".join(f"\n{line}" for own in conditions for line in wrap(own, _WIDTH))


def _has_results(columns: Columns) -> bool:
    """Return whether a guardrail was compared: what is only shown has no other result to draw."""
    rows = zip(columns["case"], columns["difference"], strict=True)
    return any(case != sensitivity.POOLED and own is not None for case, own in rows)


def _find_action(event: str) -> str:
    """Return the action of a decision, without the share that it names."""
    return next((action for action in _MOVES if event.startswith(action)), event)


def _group(columns: Columns, by: str) -> dict[str, Columns]:
    """Split columns by the values of one of them, in the order of their first rows."""
    groups: dict[str, Columns] = {}
    for row in list_rows(columns):
        group = groups.setdefault(row[by], {name: [] for name in columns})
        for name, cell in row.items():
            group[name].append(cell)
    return groups


def _follow_edge(columns: Columns) -> Columns:
    """Keep the rows of the edge that decides at the last look, where a difference is known."""
    rows = [row for row in list_rows(columns) if row["difference"] is not None]
    edge = next((row["edge"] for row in reversed(rows) if row["decides"]), None)
    chosen = [row for row in rows if row["edge"] == edge]
    for row in chosen:
        row["what"] = (
            f"{row['what']} ({row['canary_units']:,} of canary, {row['stable_units']:,} of stable)"
        )
    return {
        "estimate" if name == "difference" else "words" if name == "what" else name: [
            row[name] for row in chosen
        ]
        for name in columns
    }


def _scale(row: dict[str, Any]) -> dict[str, Any] | None:
    """Return a scorecard's row in multiples of what it allows; None where that is unknown."""
    if row["difference"] is None or not row["allowed"] or row["allowed"] <= 0:
        return None
    scaled = {
        name: None if row[own] is None else row[own] / row["allowed"]
        for name, own in (("estimate", "difference"), ("low", "low"), ("high", "high"))
    }
    label = (
        f"{row['guardrail']}: {row['verdict']} {_count(row['canary_units'], row['stable_units'])}"
    )
    return {"label": label, **scaled, "allowed": 1.0}
