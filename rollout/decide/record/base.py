"""What every fact has, how a split is written into one, and what does not fit in words."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    WrapSerializer,
)

from rollout.decide.record.split import Split

# The years 1 and 9892: what is no date, or none any more after a plan's longest time, is no time.
_EARLIEST, _LATEST = -62_135_596_800.0, 250_000_000_000.0


def describe_first(error: ValidationError) -> str:
    """Say in one line what does not fit first, and where; quotes no value."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where}: {first['msg']}" if where else first["msg"]


class RolloutFact(BaseModel):
    """A fact of one rollout, at one time.

    A kind of fact is built when the first of it is read: a reader of few entries meets few kinds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    rollout: str = Field(description="Rollout id: the plan's name and digest.")
    at: float = Field(
        ge=_EARLIEST, le=_LATEST, description="Unix seconds, as told by the clock port."
    )
    lived: float | None = Field(
        default=None,
        ge=0,
        allow_inf_nan=False,
        description="Seconds that the rollout has lived through since its start.",
        exclude_if=lambda value: value is None,
    )


def _omit_single_canary(split: Split, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
    """Write a split of one canary without `canaries`, as journals have always had it."""
    fields: dict[str, Any] = serialize(split)
    if not split.canaries:
        del fields["canaries"]
    return fields


RecordedSplit = Annotated[Split, WrapSerializer(_omit_single_canary)]
