"""What the models share: strictness, and the kinds of text and number that fields hold."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo
from pydantic.alias_generators import to_camel

from rollout.plan.fields.codes import fault
from rollout.plan.fields.units import SHARE, WEIGHT, Duration, Percent

# A rollout's id is its name, a dash and eight digits: together at most 63, a Kubernetes label.
_NAME = r"^[a-z0-9]([-a-z0-9.]{0,52}[a-z0-9])?$"
_NAMESPACE = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
_WORD = r"^[A-Za-z0-9][-A-Za-z0-9_.]{0,62}$"
_LABEL = r"^[a-zA-Z_][a-zA-Z0-9_]*$"
_URL = r"^https?://[^\s/]"

SPELLED = {
    _NAME: "lower-case letters, digits, `-` and `.`, at most 54, a letter or digit at each end",
    _NAMESPACE: "lower-case letters, digits and `-`, at most 63, a letter or digit at each end",
    _WORD: "letters, digits, `-`, `_` and `.`, at most 63, beginning with a letter or digit",
    _LABEL: "a Prometheus label name: letters, digits and `_`",
    _URL: "an address that begins with http:// or https://",
}


def spelled(pattern: str, words: str) -> str:
    """A pattern, with the words that its mistakes are told in."""
    SPELLED[pattern] = words
    return pattern


class Model(BaseModel):
    """Strict base: unknown keys are errors, values never change."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=False
    )


def written(default: str, description: str) -> Any:
    """A field with its default as one writes it in a plan, such as `30s`."""
    return Field(default, validate_default=True, description=description)


# Context of a plan that a journal holds: it was accepted, whatever is asked of new ones since.
RECORDED = {"recorded": True}

MOST = 0.99
TOO_MUCH = "a canary weight is at most 99%: promotion itself goes to 100%"


def _rung(value: float) -> float:
    steps = value * 10_000
    if steps < 1 - 1e-9 or abs(steps - round(steps)) > 1e-6:
        raise fault("P009", "weights come in steps of 0.01%, the finest that a split can hold")
    if value > 1:
        raise fault("P006", TOO_MUCH)
    return round(value, 4)


def _weight(value: float) -> float:
    if value > MOST:
        raise fault("P006", TOO_MUCH)
    return value


def apart(canary: str, info: ValidationInfo) -> str:
    """The canary's place, which is not stable's: a rollout between them would move nothing."""
    if canary == info.data.get("stable") and info.context != RECORDED:
        raise fault("P012", "stable leads there already")
    return canary


def _positive(value: float) -> float:
    if value <= 0:
        raise fault("P006", "must be longer than 0s")
    return value


_OBJECT = spelled(
    r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$",
    "the name of an object: lower-case letters, digits, `-` and `.`, at most 253",
)

ObjectName = Annotated[str, Field(pattern=_OBJECT)]
Port = Annotated[int, Field(strict=True, ge=1, le=65535)]
Name = Annotated[str, Field(pattern=_NAME)]
Namespace = Annotated[str, Field(pattern=_NAMESPACE)]
DnsLabel = Namespace
Word = Annotated[str, Field(pattern=_WORD)]
Label = Annotated[str, Field(pattern=_LABEL)]
Url = Annotated[str, Field(pattern=_URL)]
Text = Annotated[str, Field(min_length=1)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Rung = Annotated[Percent, AfterValidator(_rung), SHARE]  # up to 100 %, which a segment may reach
Weight = Annotated[Rung, AfterValidator(_weight), WEIGHT]
Span = Annotated[Duration, AfterValidator(_positive)]
