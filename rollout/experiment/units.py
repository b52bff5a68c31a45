"""A frame of single units: which version served each, what it lacks, and sums by user."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from rollout.errors import InputError
from rollout.experiment.frame import read_frame

if TYPE_CHECKING:
    import narwhals as nw

    UnitFrame: TypeAlias = nw.DataFrame[Any]
else:
    UnitFrame = Any

ARM = "surefoot_arm"
"""The column of the version: 0 is stable, 1 the canary."""

_OUTCOMES = ("value", "numer", "denom", "column", "columns")
_COVARIATES = ("covariate", "numer_covariate", "denom_covariate")


@dataclass(frozen=True)
class JoinColumns:
    """Where a frame of units says which version served each, and which user it is of, if at all."""

    version: str = "version"
    user: str | None = None


@dataclass(frozen=True)
class MetricColumns:
    """The columns that a metric reads: outcomes, and what was known of a user before."""

    outcomes: tuple[str, ...]
    covariates: tuple[str, ...]

    @property
    def every(self) -> tuple[str, ...]:
        """All of them."""
        return self.outcomes + self.covariates


def name_columns(metric: Any) -> MetricColumns:
    """Return the columns that a metric of tea-tasting reads."""

    def read(keys: Iterable[str]) -> tuple[str, ...]:
        values = [getattr(metric, key, None) for key in keys]
        lists = [[own] if isinstance(own, str) else own for own in values]
        names = [name for own in lists if isinstance(own, list | tuple) for name in own]
        return tuple(dict.fromkeys(name for name in names if isinstance(name, str)))

    return MetricColumns(read(_OUTCOMES), read(_COVARIATES))


def find_arms(
    units: Any, versions: tuple[str, str], columns: JoinColumns
) -> tuple[UnitFrame, list[str]]:
    """Return the units of both versions with a column of their arm, and what was left out.

    `versions` are stable's and the canary's; `stable` and `canary` name them, too, as in `rates()`.
    Raises InputError for what is no frame, a column that is missing, or a version without a unit.
    """
    import narwhals as nw
    import narwhals.selectors as ncs

    frame = read_frame(units, "units")
    if columns.user == columns.version:
        raise InputError("the version and the user are two columns")
    for column in filter(None, (columns.version, columns.user)):
        if column not in frame.columns:
            raise InputError(f"there is no column `{column}`: {', '.join(frame.columns)}")
    arms = {"stable": 0, "canary": 1} | {version: arm for arm, version in enumerate(versions)}
    is_of = nw.col(columns.version).cast(nw.String())
    rows = frame.filter(is_of.is_in([*arms]))
    notes = []
    if left_out := len(frame) - len(rows):
        notes.append(f"{left_out:,} units of other versions left out")
    arm = is_of.is_in([name for name, own in arms.items() if own]).cast(nw.Int64()).alias(ARM)
    rows = rows.with_columns(arm, ncs.boolean().cast(nw.Int64())).drop(columns.version)
    for index, version in enumerate(versions):
        if not (rows[ARM] == index).any():
            raise InputError(f"no unit is of {version}")
    return rows, notes


def take_units(
    rows: UnitFrame, asked: MetricColumns, columns: JoinColumns, versions: tuple[str, str]
) -> tuple[UnitFrame, list[str]]:
    """Return the units, or users, that have all that a metric asks, and what was left out.

    A missing value is none: it would count as a unit of the mean's error, and as 0 in a user's sum.
    """
    if columns.user is None:
        return _drop_incomplete(rows, asked.every, "units", versions)
    loyal, notes = _keep_loyal(rows, columns.user)
    units, lacking = _drop_incomplete(loyal, asked.outcomes, "units", versions)
    users = _add_up(units, columns.user, asked.covariates)
    complete, unknown = _drop_incomplete(users, asked.covariates, "users", versions)
    return complete, [*notes, *lacking, *unknown]


def _drop_incomplete(
    rows: UnitFrame, names: Iterable[str], units: str, versions: Sequence[str]
) -> tuple[UnitFrame, list[str]]:
    """Return the rows with a value in all these columns, and how many of each version lack one."""
    import narwhals as nw

    own, asked = rows, [name for name in names if name in rows.columns]
    for name in asked:
        own = own.filter(~nw.col(name).is_null())
        if own[name].dtype.is_float():
            own = own.filter(nw.col(name).is_finite())
    if len(own) == len(rows):
        return own, []
    lost = [
        f"{count:,} of {version}"
        for arm, version in enumerate(versions)
        if (count := int((rows[ARM] == arm).sum()) - int((own[ARM] == arm).sum()))
    ]
    return own, [f"{units} without {' or '.join(asked)} left out: {', '.join(lost)}"]


def _keep_loyal(rows: UnitFrame, user: str) -> tuple[UnitFrame, list[str]]:
    """Return the units of users that met one version alone, and what was left out."""
    import narwhals as nw

    notes = []
    named = rows.filter(~nw.col(user).is_null())
    if unnamed := len(rows) - len(named):
        notes.append(f"{unnamed:,} units without a user left out")
    arms = named.group_by(user).agg(nw.col(ARM).n_unique().alias("arms"))
    loyal = arms.filter(nw.col("arms") == 1).select(user)
    if met_both := len(arms) - len(loyal):
        notes.append(f"{met_both:,} users met both versions and are left out")
    return named.join(loyal, on=user, how="inner"), notes


def _add_up(units: UnitFrame, user: str, covariates: Sequence[str]) -> UnitFrame:
    """Return each user's sums and number of units.

    Of a covariate it is the mean: a sum would grow with the number of units, which the version may
    change, and so explain the change away.
    """
    import narwhals as nw
    import narwhals.selectors as ncs

    names = [name for name in units.select(ncs.numeric()).columns if name not in {ARM, user}]
    added = [nw.col(name).mean() if name in covariates else nw.col(name).sum() for name in names]
    count = [] if "units" in units.columns else [nw.len().alias("units")]
    return units.group_by(user, ARM).agg(*added, *count).drop(user)
