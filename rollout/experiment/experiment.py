"""One recorded rollout as an analyst sees it: tables, a chart for each, and a card."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rollout.experiment import card
from rollout.experiment.frame import Library, to_frame
from rollout.experiment.plan_source import PlanSource
from rollout.experiment.tables import (
    evidence,
    goals,
    joined,
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
from rollout.experiment.tables.quality import pairs, people
from rollout.experiment.units import JoinColumns
from rollout.redact import redact_values
from rollout.review.history import RecordedRollout

if TYPE_CHECKING:
    from rollout.experiment.plots import Plots


class Experiment:
    """One rollout of a journal. Every table is a frame, and `plot` has a chart of the same name.

    `record` holds the entries and states that all of it is computed from, `compare` returns the
    `others`, `doubt` says why the journal fails its verification. Shares are from 0 to 1, times are
    seconds since the start or UTC times, evidence is log10 (the scorecard's and the segments' is a
    share of what a decision needs), unknown numbers are missing.
    """

    def __init__(
        self,
        record: RecordedRollout,
        frames: Library = "pandas",
        compare: Callable[[], Mapping[str, str]] = dict,
        doubt: str = "",
    ) -> None:
        self.record = record
        self._frames: Library = frames
        self._compare = compare
        self.doubt = doubt

    @cached_property
    def others(self) -> Mapping[str, str]:
        """The other rollouts of the same plan name, by id, with how their plans differ."""
        return self._compare()

    @property
    def plot(self) -> Plots:
        """The charts, each named as its table; needs matplotlib."""
        from rollout.experiment.plots import Plots

        return Plots(self.record)

    @property
    def plan(self) -> dict[str, Any]:
        """The recorded plan as a document, with passwords of URLs hidden."""
        document: dict[str, Any] = redact_values(self.record.state.plan.document())
        return document

    def scorecard(self) -> Any:
        """Return a row for each guardrail: counts, difference, interval, margin, verdict."""
        return to_frame(scorecard.scorecard(self.record), scorecard.ScorecardRow, self._frames)

    def uplift(self, level: float = 0.05) -> Any:
        """Return whether the canary is better or worse than stable, with no margin between.

        The chance that any row ever concludes wrongly is at most `level`. Raises InputError for a
        level that is no chance.
        """
        return to_frame(uplift.uplift(self.record, level), uplift.UpliftRow, self._frames)

    def goals(self) -> Any:
        """Return the plan's goals: what was concluded, with difference and relative change."""
        return to_frame(goals.goals(self.record), goals.GoalRow, self._frames)

    def pairs(self) -> Any:
        """Return who won the pairs that a judge compared, by order, and its preference for one."""
        return to_frame(pairs.pairs(self.record), pairs.PairsRow, self._frames)

    def quality(self) -> Any:
        """Return what a judge and people call bad, together where a joint counter allows it."""
        return to_frame(people.quality(self.record), people.QualityRow, self._frames)

    def segments(self, label: str | None = None, level: float = 0.05) -> Any:
        """Return each segment of each guardrail, or those of one label of the plan.

        The chance that any row is ever called better or worse wrongly is at most `level`. Raises
        InputError for a label that the plan does not split by.
        """
        rows = segments.segments(self.record, label, level)
        return to_frame(rows, segments.SegmentRow, self._frames)

    def join(
        self,
        units: Any,
        metrics: Mapping[str, Any],
        *,
        version: str = "version",
        user: str | None = None,
    ) -> Any:
        """Return results on data of single units, by tea-tasting, beside the plan's goals.

        `units` has a row for each, `version` names the column of the version that served it,
        `user` that of the user by which units are added up first. `metrics` are tea-tasting's, by
        name: `tt.Mean("words", "words_before")`. A unit without a value of a metric is left out of
        it, and counted. Raises InputError for a column or version that is missing, for what is no
        frame, and without tea-tasting.
        """
        columns = JoinColumns(version, user)
        rows = joined.joined(self.record, units, metrics, columns)
        return to_frame(rows, joined.JoinedRow, self._frames)

    def rates(self) -> Any:
        """Return each version's units and bad ones by look."""
        return to_frame(rates.rates(self.record), rates.RateRow, self._frames)

    def distributions(self) -> Any:
        """Return the buckets of every histogram, by version."""
        return to_frame(rates.distributions(self.record), rates.BucketRow, self._frames)

    def quantiles(self) -> Any:
        """Return between which edges the quantiles lie, by version."""
        return to_frame(rates.quantiles(self.record), rates.QuantileRow, self._frames)

    def timeline(self) -> Any:
        """Return what happened: decisions, writes, edits of others, commands."""
        return to_frame(timeline.timeline(self.record), timeline.EventRow, self._frames)

    def evidence(self) -> Any:
        """Return the evidence of harm and of safety by look, beside what a decision needs."""
        return to_frame(evidence.evidence(self.record), evidence.EvidenceRow, self._frames)

    def intervals(self) -> Any:
        """Return the difference of bad shares by look, with its interval and its margin."""
        return to_frame(evidence.intervals(self.record), evidence.IntervalRow, self._frames)

    def share(self) -> Any:
        """Return the share of traffic, and of labels, against the weight, by look."""
        return to_frame(share.share(self.record), share.ShareRow, self._frames)

    def health(self) -> Any:
        """Return what to ask of the data before reading any result, with answers."""
        return to_frame(share.health(self.record), share.HealthRow, self._frames)

    def power(self) -> Any:
        """Return what could have been found by now, and by the deadline."""
        return to_frame(power.power(self.record), power.PowerRow, self._frames)

    def aa(self, n: int = 100, seed: int = 0) -> Any:
        """Return how often the tests find harm between stable and itself, in `n` random splits.

        Raises InputError for fewer than one. Where no look compared both versions the row says so.
        """
        row = same_version.compare_same_version(self.record, n, seed)
        return to_frame([row], same_version.SameVersionRow, self._frames)

    def sensitivity(self) -> Any:
        """Return each result without one hour, with a longer warm-up, and with looks added up."""
        return to_frame(
            sensitivity.sensitivity(self.record), sensitivity.SensitivityRow, self._frames
        )

    def what_if(
        self,
        alpha: float | None = None,
        margins: Mapping[str, Any] | None = None,
        plan: PlanSource | None = None,
        *,
        beta: float | None = None,
    ) -> Any:
        """Return when another plan would have decided on the same record.

        Either `plan` (a file or a document), or changes of the recorded one: `alpha` is its
        falseRollback, `beta` its falsePromotion, `margins` the limits of guardrails by name.

        Raises InputError for a plan that the record cannot be judged by.
        """
        document = what_if.choose_plan(self.record, what_if.Changes(alpha, beta, margins), plan)
        return to_frame(what_if.what_if(self.record, document), what_if.WhatIfRow, self._frames)

    def replay(self) -> Any:
        """Return each look's recorded decision beside what is decided again."""
        return to_frame(evidence.replay(self.record), evidence.ReplayRow, self._frames)

    def __repr__(self) -> str:
        return card.to_text(card.summarise(self.record, self.others, self.doubt))

    def _repr_html_(self) -> str:
        return card.to_html(card.summarise(self.record, self.others, self.doubt))
