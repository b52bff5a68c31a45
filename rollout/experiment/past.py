"""Experiments that no journal holds: of what Prometheus recorded, or of counts from elsewhere.

How it works: the production tick looks at them in their own time, with `authority: observe`, as
`surefoot backtest` does. What it would have recorded is opened like a journal's rollout.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rollout.decide.record.tally import LookTally
from rollout.decide.text.numbers import join
from rollout.errors import InputError
from rollout.experiment.experiment import Experiment
from rollout.experiment.frame import Library, read_frame
from rollout.experiment.plan_source import PlanSource, read_plan
from rollout.observe.access.settings import NO_SETTINGS, PrometheusSettings
from rollout.plan.model.plan import Plan
from rollout.ports import Answer, Ask, Observer
from rollout.rehearse.backtest import run_backtest
from rollout.review.history import history
from rollout.wire.prometheus import open_prometheus

Moment = datetime | str | float
"""A time: with its zone (as a string in ISO 8601), or in unix seconds."""

COLUMNS = ("at", "guardrail", "version", "units", "bad")
"""What a frame of counts has: a row for each look, guardrail and version."""

_LATEST = 1e11  # the year 5138: beyond it are milliseconds, taken for seconds

_OTHER_KIND = "a frame of units and bad ones holds no histogram, pairs or sums"
_KEY = "counts"  # no digest is made: the counts have no series


def from_prometheus(
    plan: PlanSource,
    start: Moment,
    end: Moment,
    frames: Library = "pandas",
    access: str | Path | None = None,
) -> Experiment:
    """Open what Prometheus recorded of a plan's two versions between two past times.

    `plan` is a plan's file or document, which names the Prometheus; `access` is the file with the
    accesses that it names. The comparison is observational: nobody assigned the traffic.

    Raises InputError where the plan is no single one, or a version had no requests then.
    """
    settings = PrometheusSettings(Path(access)) if access is not None else NO_SETTINGS
    observer = open_prometheus(settings)
    try:
        return look_back(read_plan(plan), observer, _to_unix(start), _to_unix(end), frames)
    finally:
        observer.close()


def from_frame(counts: Any, plan: PlanSource, frames: Library = "pandas") -> Experiment:
    """Open counts from elsewhere: a frame with the columns `at`, `guardrail`, `version`, `units`
    and `bad`, a row for each look, guardrail and version.

    `at` is a time with its zone, or unix seconds; `version` is one of the plan's versions, or
    `stable` and `canary` as in `rates()`; units and bad ones are of that look alone. Only
    guardrails of rates can be counted so: rows of others are left out, and these are blind.

    Raises InputError for other columns, names or numbers, and without a row of a rate.
    """
    the_plan = read_plan(plan)
    observer = FrameObserver.read(the_plan, counts)
    span = the_plan.spec.interval
    return look_back(
        the_plan, observer, observer.times[0] - span, observer.times[-1] + span, frames
    )


def look_back(
    plan: Plan, observer: Observer, start: float, end: float, frames: Library
) -> Experiment:
    """Return what the production tick makes of an observer's past, in unix seconds."""
    if not start < end:
        raise InputError("the start is before the end")
    return Experiment(history(run_backtest(plan, observer, start, end).entries), frames)


def _to_unix(moment: Moment) -> float:
    """Return unix seconds. Raises InputError for what is no time, or has no zone."""
    try:
        at = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
        is_time = str(at) != "NaT"  # pandas' own, which passes for a datetime
        if isinstance(at, datetime) and is_time:
            if at.tzinfo is None:
                raise InputError(f"{moment} has no zone: say which, such as +00:00")
            return at.astimezone(UTC).timestamp()
        unix = float(at) if not isinstance(at, datetime) else math.nan
    except (TypeError, ValueError, OverflowError):
        unix = math.nan
    if not abs(unix) <= _LATEST:
        raise InputError(
            f"{moment!r} is no time: give one with its zone, such as 2026-06-01T08:00+02:00, or "
            "unix seconds"
        )
    return unix


@dataclass(frozen=True)
class FrameObserver:
    """An observer of counts by time and guardrail: units and bad ones of the canary, of stable.

    `problems` say why other guardrails have none.
    """

    times: Sequence[float]
    looks: Mapping[float, Mapping[str, tuple[tuple[int, int], tuple[int, int]]]]
    problems: Mapping[str, str]

    @classmethod
    def read(cls, plan: Plan, frame: Any) -> FrameObserver:
        """Read a frame of any library. Raises InputError."""
        table = read_frame(frame, "counts")
        if lacking := [name for name in COLUMNS if name not in table.columns]:
            raise InputError(
                f"counts need the columns {', '.join(COLUMNS)}; not there: {', '.join(lacking)}"
            )
        versions = {plan.spec.canary.version: 0, plan.spec.stable.version: 1}
        arms = {"canary": 0, "stable": 1} | versions
        every = [*plan.spec.guardrails, *(s.guardrail for s in plan.spec.segment_guardrails)]
        names = {g.name for g in every if g.metric.kind == "rate"}
        others = {g.name: _OTHER_KIND for g in every if g.name not in names}
        looks: dict[float, dict[str, list[tuple[int, int] | None]]] = {}
        for row in table.select(*COLUMNS).iter_rows(named=True):
            if row["guardrail"] in others and row["version"] in arms:
                continue  # blind, and why stands in every table
            if row["guardrail"] not in names or row["version"] not in arms:
                raise InputError(
                    f"no rate {row['guardrail']!r} of version {row['version']!r} is in the plan, "
                    f"which has {', '.join(sorted(names)) or 'no rate'} of {', '.join(versions)}"
                )
            look = looks.setdefault(_to_unix(row["at"]), {})
            pair = look.setdefault(row["guardrail"], [None, None])
            if pair[arms[row["version"]]] is not None:
                raise InputError(f"{_describe(row)} has two rows: add them up, or leave one out")
            pair[arms[row["version"]]] = _check_counts(row)
        if not looks:
            raise InputError(f"there is no row of counts of {join(sorted(names)) or 'a rate'}")
        checked = {
            at: {name: (pair[0] or (0, 0), pair[1] or (0, 0)) for name, pair in look.items()}
            for at, look in looks.items()
        }
        return cls(sorted(looks), checked, others)

    def observe(self, asks: Sequence[Ask], now: float) -> Mapping[str, Answer]:
        """See rollout.ports.Observer: the newest look until now, once."""
        index = bisect_right(self.times, now)
        return {ask.rollout: self._answer(ask, self.times[:index][-1:]) for ask in asks}

    def _answer(self, ask: Ask, newest: Sequence[float]) -> Answer:
        tallies: dict[str, LookTally] = {}
        marks = ask.marks or {}
        for at in newest:
            for name, (canary, stable) in self.looks[at].items():
                mark = marks.get(name)
                if mark is None or mark.until < at:
                    tallies[name] = self._tally(at, canary, stable)
        return Answer(tallies=tallies, marks=marks, problems=self.problems if newest else {})

    def _tally(self, at: float, canary: tuple[int, int], stable: tuple[int, int]) -> LookTally:
        return LookTally(
            canary=canary,
            stable=stable,
            key=_KEY,
            until=at,
            canary_times=((at, 1),) if canary[0] else (),
            stable_times=((at, 1),) if stable[0] else (),
            began=self.times[0],
        )


def _check_counts(row: Mapping[str, Any]) -> tuple[int, int]:
    """Return units, and how many of them are bad. Raises InputError."""
    units, bad = _check(row["units"], row), _check(row["bad"], row)
    if bad > units:
        raise InputError(f"{_describe(row)} has {bad:,} bad ones of {units:,} units")
    return units, bad


def _check(count: Any, row: Mapping[str, Any]) -> int:
    """Return a whole number of units. Raises InputError."""
    try:
        whole = int(count)
    except (TypeError, ValueError, OverflowError):
        whole = -1
    if whole != count or whole < 0:
        written = repr(count) if isinstance(count, str) else count
        raise InputError(f"{_describe(row)}: {written} is no whole number of units")
    return whole


def _describe(row: Mapping[str, Any]) -> str:
    return f"{row['guardrail']} of {row['version']} at {row['at']}"
