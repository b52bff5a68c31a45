"""Data of single units that the analyst joins, beside what the controller concluded from counts.

Prometheus counts hold no units, so they cannot be adjusted for covariates (CUPED), clustered by
user, or asked for means of anything. tea-tasting does that on a frame of units. Its results hold
where the data is asked once, at a time that was chosen before; the controller's at every look.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rollout.errors import InputError
from rollout.experiment.tables.goals import goals
from rollout.experiment.tables.retest import list_compared
from rollout.review.history import RecordedRollout

if TYPE_CHECKING:
    import narwhals as nw

NEEDED = "data of units needs tea-tasting: pip install 'surefoot[units]'"
ONCE, ALWAYS = "asked once", "at every look"
_ARM = "surefoot_arm"


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


@dataclass(frozen=True)
class JoinColumns:
    """Where a frame of units says which version served each, and which user it is of, if at all."""

    version: str = "version"
    user: str | None = None


def joined(
    record: RecordedRollout, units: Any, metrics: Mapping[str, Any], columns: JoinColumns
) -> Iterator[JoinedRow]:
    """Yield tea-tasting's results on the units, then the controller's goals.

    `units` is a frame of pandas, polars or pyarrow, `metrics` tea-tasting's metrics by name. With
    a user, units are added up by user first, so that users are what is independent: numbers are
    summed, covariates averaged, and `units` counts them.

    Raises InputError where tea-tasting is not installed, a column or a version is missing, or no
    metric can be computed.
    """
    try:
        import narwhals as nw
        import tea_tasting as tt
    except ImportError:
        raise InputError(NEEDED) from None
    covariates = _list_covariates(metrics)
    frame, note = _prepare(nw.from_native(units, eager_only=True), record, columns, covariates)
    sizes = {
        arm: int((frame[_ARM] == index).sum()) for index, arm in enumerate(("stable", "canary"))
    }
    share = _find_share(record)
    asked = {**metrics}
    if share is not None:
        ratio = {0: 1 - share, 1: share}
        asked["share of units"] = tt.SampleRatio(ratio)
    for name, metric in asked.items():
        try:
            result = tt.Experiment({name: metric}, variant=_ARM).analyze(
                frame.to_native(), control=0
            )
        except Exception as error:  # noqa: BLE001  # its words may quote a cell
            problem = type(error).__name__
            names = ", ".join(column for column in frame.columns if column != _ARM)
            message = f"tea-tasting cannot compute `{name}` ({problem}) from the columns {names}"
            raise InputError(message) from None
        yield _read_result(name, result[name], sizes, note)
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


def _prepare(
    frame: nw.DataFrame[Any],
    record: RecordedRollout,
    columns: JoinColumns,
    covariates: Collection[str],
) -> tuple[nw.DataFrame[Any], str]:
    """Return the units of both versions with a column of their arm, and what was left out."""
    import narwhals as nw
    import narwhals.selectors as ncs

    if columns.user == columns.version:
        raise InputError("the version and the user are two columns")
    for column in filter(None, (columns.version, columns.user)):
        if column not in frame.columns:
            raise InputError(f"there is no column `{column}`: {', '.join(frame.columns)}")
    stable, canary = record.state.versions
    is_of = nw.col(columns.version).cast(nw.String())
    rows = frame.filter(is_of.is_in([stable, canary]))
    notes = []
    if left_out := len(frame) - len(rows):
        notes.append(f"{left_out:,} units of other versions left out")
    arm = (is_of == canary).cast(nw.Int64()).alias(_ARM)
    rows = rows.with_columns(arm, ncs.boolean().cast(nw.Int64())).drop(columns.version)
    if columns.user is not None:
        rows, own = _take_users(rows, columns.user, covariates)
        notes += own
    for index, version in enumerate((stable, canary)):
        if not (rows[_ARM] == index).any():
            raise InputError(f"no unit is of {version}")
    return rows, "; ".join(notes)


def _take_users(
    rows: nw.DataFrame[Any], user: str, covariates: Collection[str]
) -> tuple[nw.DataFrame[Any], list[str]]:
    """Return each user's sums and number of units, and what was left out.

    Of a covariate it is the mean: a sum would grow with the number of units, which the version may
    change, and so explain the change away.
    """
    import narwhals as nw
    import narwhals.selectors as ncs

    notes = []
    named = rows.filter(~nw.col(user).is_null())
    if unnamed := len(rows) - len(named):
        notes.append(f"{unnamed:,} units without a user left out")
    arms = named.group_by(user).agg(nw.col(_ARM).n_unique().alias("arms"))
    loyal = arms.filter(nw.col("arms") == 1).select(user)
    if met_both := len(arms) - len(loyal):
        notes.append(f"{met_both:,} users met both versions and are left out")
    own = named.join(loyal, on=user, how="inner")
    names = [name for name in own.select(ncs.numeric()).columns if name not in {_ARM, user}]
    added = [nw.col(name).mean() if name in covariates else nw.col(name).sum() for name in names]
    count = [] if "units" in own.columns else [nw.len().alias("units")]
    return own.group_by(user, _ARM).agg(*added, *count).drop(user), notes


def _list_covariates(metrics: Mapping[str, Any]) -> set[str]:
    """Return the columns that metrics take for what was known of a user before."""
    keys = ("covariate", "numer_covariate", "denom_covariate")
    columns = (getattr(metric, key, None) for metric in metrics.values() for key in keys)
    return {column for column in columns if isinstance(column, str)}


def _find_share(record: RecordedRollout) -> float | None:
    """Return the canary's share of traffic; None where it was not one share throughout."""
    shares = {units.share for units in list_compared(record)}
    return shares.pop() if len(shares) == 1 else None


def _read_result(name: str, result: Any, sizes: Mapping[str, int], note: str) -> JoinedRow:
    """Return a result of tea-tasting; what its kind does not have is missing."""
    numbers = result._asdict()

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
        stable_units=sizes["stable"],
        canary_units=sizes["canary"],
        note=note,
    )
