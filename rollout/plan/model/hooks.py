"""Hooks: addresses that are told before the first step, or once traffic is safe after the end."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from rollout.plan.fields.base import Model, Name, Span, Url, written
from rollout.plan.fields.codes import fault, raise_at

Moment = Literal["before", "promoted", "rolledBack", "undone"]
OnFailure = Literal["pause", "continue"]

LONGEST = 30.0  # seconds that a call may last


def _anonymous(url: str) -> str:
    if re.match(r"https?://[^/?#]*@", url):
        raise fault("P006", "no name or password in an address: the journal keeps the whole plan")
    return url


def _short(timeout: float) -> float:
    if timeout > LONGEST:
        raise fault("P006", f"a call lasts at most {LONGEST:.0f}s")
    return timeout


class Hook(Model):
    """One address and its moment; it gets a small JSON by POST and answers 2xx."""

    name: Name = Field(description="Name of the hook, in the log and in its idempotency key.")
    when: Moment = Field(
        description="Before the first step, or when the mesh has confirmed that end."
    )
    url: Annotated[Url, AfterValidator(_anonymous)] = Field(
        description="Where it answers; without name and password."
    )
    timeout: Annotated[Span, AfterValidator(_short)] = written(
        "5s", "How long a call may last, at most 30s."
    )
    attempts: Annotated[int, Field(strict=True, ge=1, le=10)] = Field(
        3, description="How often it is called until it answers."
    )
    on_failure: OnFailure | None = Field(
        None, description="What a failed `before` hook does; `pause` when left out."
    )

    @field_validator("on_failure")
    @classmethod
    def _only_before(cls, value: OnFailure | None, info: ValidationInfo) -> OnFailure | None:
        if value == "pause" and info.data.get("when", "before") != "before":
            raise fault("P006", "after an end nothing is paused: a failure is told, no more")
        return value

    @property
    def gates(self) -> bool:
        """Whether its failure stops the first step."""
        return self.when == "before" and self.on_failure != "continue"


def _named_once(hooks: list[Hook] | None) -> list[Hook] | None:
    names = [hook.name for hook in hooks or ()]
    twins = [place for place, name in enumerate(names) if name in names[:place]]
    if twins:
        said = "the name `{}` is given twice"
        raise_at("hooks", *[((n, "name"), fault("P010", said.format(names[n]))) for n in twins])
    return hooks


Hooks = Annotated[list[Hook] | None, Field(min_length=1), AfterValidator(_named_once)]
