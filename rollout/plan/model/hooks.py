"""Hooks: addresses that are called before the first step, or after the rollout's end.

Those of the end are called once the mesh has confirmed it, when traffic is safe.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from rollout.plan.fields.base import Model, Name, Span, Url, written
from rollout.plan.fields.codes import fault, raise_at

Moment = Literal["before", "promoted", "rolledBack", "undone", "notFollowed"]
OnFailure = Literal["pause", "continue"]

LONGEST = 30.0  # longest time-out of a call, in seconds


def _check_no_credentials(url: str) -> str:
    if re.match(r"https?://[^/?#]*@", url, re.IGNORECASE):
        raise fault(
            "P006",
            "remove the name and password from the address: the journal keeps the whole plan",
        )
    return url


def _check_timeout(timeout: float) -> float:
    if timeout > LONGEST:
        raise fault("P006", f"a call lasts at most {LONGEST:.0f}s")
    return timeout


class Hook(Model):
    """One address and its moment; it gets a small JSON by POST and answers 2xx."""

    name: Name = Field(description="Name of the hook, in the log and in its idempotency key.")
    when: Moment = Field(
        description="Before the first step, once that end is seen, or at an end that traffic does "
        "not follow."
    )
    url: Annotated[Url, AfterValidator(_check_no_credentials)] = Field(
        description="Where it answers; without name and password."
    )
    timeout: Annotated[Span, AfterValidator(_check_timeout)] = written(
        "5s", "How long a call may last, at most 30s."
    )
    attempts: Annotated[int, Field(strict=True, ge=1, le=10)] = Field(
        3, description="How often it is called until it answers."
    )
    on_failure: OnFailure | None = Field(
        None, description="What a failed `before` hook does; `pause` when left out."
    )

    when_not_seen: Literal["call", "skip"] | None = Field(
        None,
        description="Whether it is called at an end of which too little was counted to tell "
        "whether traffic follows; `skip` when left out, since requests may still come.",
    )

    @field_validator("on_failure")
    @classmethod
    def _check_only_before(cls, value: OnFailure | None, info: ValidationInfo) -> OnFailure | None:
        if value == "pause" and info.data.get("when", "before") != "before":
            raise fault(
                "P006", "only a `before` hook can pause: after an end a failure is only reported"
            )
        return value

    @property
    def server(self) -> str:
        """Host and port that answer for its address."""
        return re.split("[/?#]", self.url, maxsplit=3)[2]

    @property
    def gates(self) -> bool:
        """Whether a failure of this hook stops the first step."""
        return self.when == "before" and self.on_failure != "continue"


def _check_named_once(hooks: list[Hook] | None) -> list[Hook] | None:
    names = [hook.name for hook in hooks or ()]
    twins = [index for index, name in enumerate(names) if names.index(name) != index]
    if twins:
        text = "the name `{}` is given twice"
        raise_at("hooks", *[((n, "name"), fault("P010", text.format(names[n]))) for n in twins])
    return hooks


Hooks = Annotated[list[Hook] | None, Field(min_length=1), AfterValidator(_check_named_once)]
