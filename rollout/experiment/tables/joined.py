"""Data of single units that the analyst joins, beside what the controller concluded from counts.

Prometheus counts hold no units, so they cannot be adjusted for covariates (CUPED), clustered by
user, or asked for means of anything. tea-tasting does that on a frame of units. Its results hold
where the data is asked once, at a time that was chosen before; the controller's at every look.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rollout.errors import InputError
from rollout.experiment.tables.goals import goals
from rollout.experiment.tables.retest import list_compared
from rollout.experiment.units import (
    ARM,
    JoinColumns,
    UnitFrame,
    find_arms,
    name_columns,
    take_units,
)
from rollout.review.history import RecordedRollout

NEEDED = "data of units needs tea-tasting: pip install 'surefoot[units]'"
ONCE, ALWAYS = "asked once", "at every look"
LEAST = 2
"""Units of a version that a variance needs."""


@dataclass(frozen=True)
class JoinedRow:
    """One result: the versions' values, their difference, and its relative size, with bounds.

    `holds` says when bounds and p-value may be read: `asked once`, at a time chosen before the
    data, or `at every look`. Unknown numbers are missing; `note` says what was left out.
    """

    metric: str
    source: str
    holds: str
    stable: float | None
    canary: float | None
    difference: float | None
    low: float | None
    high: float | None
    change: float | None
    change_low: float | None
    change_high: float | None
    p_value: float | None
    stable_units: int
    canary_units: int
    note: str


def joined(
    record: RecordedRollout, units: Any, metrics: Mapping[str, Any], columns: JoinColumns
) -> Iterator[JoinedRow]:
    """Yield tea-tasting's results on the units, then the controller's goals.

    `units` is a frame of pandas, polars or pyarrow, `metrics` tea-tasting's metrics by name. With
    a user, units are added up by user first, so that users are what is independent: numbers are
    summed, covariates averaged, and `units` counts them. A unit that lacks a value of a metric is
    left out of that metric, and counted in its note.

    Raises InputError where tea-tasting is not installed, a column or a version is missing, or no
    metric can be computed.
    """
    try:
        import tea_tasting as tt
    except ImportError:
        raise InputError(NEEDED) from None
    if not isinstance(metrics, Mapping):
        raise InputError("metrics are tea-tasting's by name, such as {'words': tt.Mean('words')}")
    rows, notes = find_arms(units, record.state.versions, columns)
    asked = {**metrics}
    share = _find_share(record)
    if share is not None:
        asked.setdefault("share of units", tt.SampleRatio({0: 1 - share, 1: share}))
    for name, metric in asked.items():
        own, left_out = take_units(rows, name_columns(metric), columns, record.state.versions)
        yield _analyse(name, metric, own, [*notes, *left_out], record.state.versions)
    for row in goals(record):
        if row.segment:
            continue  # units are not told apart by the plan's labels
        yield JoinedRow(
            metric=row.goal,
            source="controller",
            holds=ALWAYS,
            stable=row.stable_share,
            canary=row.canary_share,
            difference=row.difference,
            low=row.low,
            high=row.high,
            change=row.change,
            change_low=row.change_low,
            change_high=row.change_high,
            p_value=None,
            stable_units=row.stable_units or 0,
            canary_units=row.canary_units or 0,
            note=row.note,
        )


def _analyse(
    name: str,
    metric: Any,
    frame: UnitFrame,
    notes: Sequence[str],
    versions: tuple[str, str],
) -> JoinedRow:
    """Return tea-tasting's result of one metric; "not enough" where a version has too few units."""
    import tea_tasting as tt

    sizes = [int((frame[ARM] == index).sum()) for index in (0, 1)]
    asked = name_columns(metric)
    short = [own for own, size in zip(versions, sizes, strict=True) if size < LEAST]
    if short and any(column in frame.columns for column in asked.every):
        lack = f"not enough: fewer than {LEAST} units of {' and of '.join(short)}"
        return _build_row(name, {}, sizes, [lack, *notes])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of divisions by 0: the note tells
            result = tt.Experiment({name: metric}, variant=ARM).analyze(
                frame.to_native(), control=0
            )
    except Exception as error:  # noqa: BLE001  # its words may quote a cell
        problem = type(error).__name__
        names = ", ".join(column for column in frame.columns if column != ARM)
        message = f"tea-tasting cannot compute `{name}` ({problem}) from the columns {names}"
        raise InputError(message) from None
    numbers = result[name]._asdict()
    if any(isinstance(value, float) and math.isnan(value) for value in numbers.values()):
        notes = ["not enough: values are all alike, or a mean is 0", *notes]
    return _build_row(name, numbers, sizes, notes)


def _find_share(record: RecordedRollout) -> float | None:
    """Return the canary's share of traffic; None where it was not one share throughout."""
    shares = {units.share for units in list_compared(record)}
    return shares.pop() if len(shares) == 1 else None


def _build_row(
    name: str, numbers: Mapping[str, Any], sizes: Sequence[int], notes: Sequence[str]
) -> JoinedRow:
    """Return a result of tea-tasting; what its kind does not have is missing."""

    def get(key: str) -> float | None:
        value = numbers.get(key)
        return None if value is None or not math.isfinite(value) else float(value)

    return JoinedRow(
        metric=name,
        source="units",
        holds=ONCE,
        stable=get("control"),
        canary=get("treatment"),
        difference=get("effect_size"),
        low=get("effect_size_ci_lower"),
        high=get("effect_size_ci_upper"),
        change=get("rel_effect_size"),
        change_low=get("rel_effect_size_ci_lower"),
        change_high=get("rel_effect_size_ci_upper"),
        p_value=get("pvalue"),
        stable_units=sizes[0],
        canary_units=sizes[1],
        note="; ".join(notes),
    )
