"""What every fact has, and how a split is written into one."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, WrapSerializer

from rollout.decide.record.split import Split


class RolloutFact(BaseModel):
    """A fact of one rollout, at one time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rollout: str = Field(description="Rollout id: the plan's name and digest.")
    at: float = Field(description="Unix seconds, as told by the clock port.")


def _omit_single_canary(split: Split, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
    """Write a split of one canary without `canaries`, as journals have always had it."""
    fields: dict[str, Any] = serialize(split)
    if not split.canaries:
        del fields["canaries"]
    return fields


RecordedSplit = Annotated[Split, WrapSerializer(_omit_single_canary)]
