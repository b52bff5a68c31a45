"""The base of all models, and the kinds of text and number that their fields hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo
from pydantic.alias_generators import to_camel

from rollout.plan.fields.codes import fault
from rollout.plan.fields.units import SHARE, WEIGHT, Duration, Percent

# A rollout's id is its plan's name, a dash and eight digits. It must fit into a Kubernetes label of
# 63 characters, so a name has at most 54.
_NAME = r"^[a-z0-9]([-a-z0-9.]{0,52}[a-z0-9])?$"
_NAMESPACE = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
_WORD = r"^[A-Za-z0-9][-A-Za-z0-9_.]{0,62}$"
LABEL = r"^[a-zA-Z_][a-zA-Z0-9_.]*$"
_VERSION = r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]{0,251}[^\s\x00-\x1f\x7f-\x9f])?$"
_URL = r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s/]"

SPELLED = {
    _NAME: "lower-case letters, digits, `-` and `.`, at most 54, a letter or digit at each end",
    _NAMESPACE: "lower-case letters, digits and `-`, at most 63, a letter or digit at each end",
    _WORD: "letters, digits, `-`, `_` and `.`, at most 63, beginning with a letter or digit",
    LABEL: "a Prometheus label name: letters, digits, `_` and `.`",
    _VERSION: "one line of text of at most 253 characters, without blanks at its ends",
    _URL: "an address that begins with http:// or https://",
}


def spelled(pattern: str, words: str) -> str:
    """Register the wording of a pattern's mistakes, and return the pattern."""
    SPELLED[pattern] = words
    return pattern


def is_word(text: str) -> bool:
    """Return whether a text can name an object of a mesh, and be the value of a label there."""
    return re.fullmatch(_WORD, text) is not None


class Model(BaseModel):
    """Strict base: unknown keys are errors, values never change."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=False
    )

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """See pydantic: what a copy has computed of its fields is its own."""
        copied = super().model_copy(update=update, deep=deep)
        for name in copied.__dict__.keys() - type(self).model_fields.keys():
            del copied.__dict__[name]
        return copied


def written(default: str, description: str) -> Any:
    """A field whose default is spelled as in a plan, such as `30s`, and parsed like one."""
    return Field(default, validate_default=True, description=description)


# Validation context of a plan that is read from a journal. It was accepted when it was recorded, so
# rules that are newer than it must not refuse it.
RECORDED = {"recorded": True}


def is_recorded(info: ValidationInfo) -> bool:
    """Return whether a plan is read from a journal."""
    return bool(isinstance(info.context, dict) and info.context.get("recorded"))


MOST = 0.99
TOO_MUCH = "a canary weight is at most 99 %: the promotion itself goes to 100 %"


def _check_rung(value: float) -> float:
    if value > 1:
        raise fault("P006", TOO_MUCH)
    steps = value * 10_000  # in the smallest steps of a split, 0.01 %
    if steps < 1 - 1e-9 or abs(steps - round(steps)) > 1e-6:
        raise fault("P009", "a weight is a multiple of 0.01 %, the smallest that a split can hold")
    return round(value, 4)


def _check_weight(value: float) -> float:
    if value > MOST:
        raise fault("P006", TOO_MUCH)
    return value


def check_apart(canary: str, info: ValidationInfo) -> str:
    """Check that the canary's destination is not also stable's, and return it.

    Between equal destinations a rollout would move nothing. Plans in a journal are exempt.
    """
    if canary == info.data.get("stable") and not is_recorded(info):
        raise fault("P012", "stable uses the same one")
    return canary


def _check_positive(value: float) -> float:
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
LineText = Annotated[str, Field(pattern=_VERSION)]
Label = Annotated[str, Field(pattern=LABEL)]
Url = Annotated[str, Field(pattern=_URL)]
Text = Annotated[str, Field(min_length=1)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
# A weight of the ramp. It may be 100 %, which only a segment's ramp may reach.
Rung = Annotated[Percent, AfterValidator(_check_rung), SHARE]
Weight = Annotated[Rung, AfterValidator(_check_weight), WEIGHT]
Span = Annotated[Duration, AfterValidator(_check_positive)]
