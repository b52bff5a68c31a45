"""Tables as frames: rows are dataclasses, whose fields are the columns and their types.

What is unknown is missing in the frame (`<NA>`, null), and never a NaN that passes for a number.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, get_args, get_type_hints

from rollout.errors import InputError
from rollout.redact import redact_values

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Library = Literal["pandas", "polars", "pyarrow"]
"""The libraries whose frames can be asked for."""

MISSING = "tables need {}: pip install 'surefoot[notebook]'"
_OTHERS = "{0} frames need {0}: pip install {0} 'surefoot[notebook]'"  # it is in no extra


def read_frame(frame: Any, what: str) -> Any:
    """Return a user's frame, of whatever library, as one of narwhals. `what` names its rows.

    Raises InputError for what is no frame, and where narwhals is not installed.
    """
    try:
        import narwhals as nw
    except ImportError:
        raise InputError(MISSING.format("narwhals")) from None
    try:
        return nw.from_native(frame, eager_only=True)
    except TypeError:
        raise InputError(
            f"{what} are a frame of pandas, polars or pyarrow, and no {type(frame).__name__}"
        ) from None


def to_columns(rows: Iterable[DataclassInstance], kind: type) -> dict[str, list[Any]]:
    """Return rows of one dataclass as columns; all are there, also without a row.

    Numbers that are not finite are unknown: None. Passwords of URLs are hidden, because notebooks
    are saved with what they show.
    """
    documents = [redact_values(vars(row)) for row in rows]
    names = [field.name for field in fields(kind)]
    return {name: [_to_cell(document[name]) for document in documents] for name in names}


def list_rows(columns: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return columns as rows, by the columns' names."""
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _to_cell(cell: Any) -> Any:
    if not isinstance(cell, float):
        return cell
    return cell + 0.0 if math.isfinite(cell) else None  # -0.0 becomes 0.0


def to_frame(rows: Iterable[DataclassInstance], kind: type, library: Library) -> Any:
    """Return rows of one dataclass as a frame of that library.

    Raises InputError when the library is not installed.
    """
    columns = to_columns(rows, kind)
    try:
        import narwhals as nw

        schema = nw.Schema({name: _find_type(hint) for name, hint in get_type_hints(kind).items()})
        if library != "pandas":
            return nw.from_dict(columns, schema, backend=library).to_native()
        import pandas as pd

        # Its usual types have no missing whole number, text or truth value: these have.
        types = schema.to_pandas("numpy_nullable")
        return pd.DataFrame(
            {name: pd.Series(column, dtype=types[name]) for name, column in columns.items()}
        )
    except ImportError:
        text = MISSING if library == "pandas" else _OTHERS
        raise InputError(text.format(library)) from None


def _find_type(hint: Any) -> Any:
    """Return the column type of a field; one that may be unknown has None among its types."""
    import narwhals as nw

    types = {
        bool: nw.Boolean(),
        int: nw.Int64(),
        float: nw.Float64(),
        str: nw.String(),
        datetime: nw.Datetime("ms", "UTC"),
    }
    return next(types[own] for own in (get_args(hint) or (hint,)) if own in types)


def to_time(at: float) -> datetime:
    """Return a unix time as one in UTC, in milliseconds."""
    moment = datetime.fromtimestamp(at, UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
