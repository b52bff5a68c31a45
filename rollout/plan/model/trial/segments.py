"""Segments: values of labels by which a guardrail's units are judged apart, beside the whole."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Annotated, NamedTuple

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from rollout.plan.fields.base import Label, LineText, Model, Word, is_recorded
from rollout.plan.fields.codes import fault, raise_at
from rollout.plan.model.guardrail import Guardrail
from rollout.plan.model.labels import Having

MOST_SEGMENTS = 20
"""Values in all of a plan's segments: each costs a part of the evidence, and queries."""

LEAST_UNITS = 20
"""Units of each version below which a segment's numbers are not shown, unless a plan says more."""

_Fault = tuple[tuple[str | int, ...], PydanticCustomError]


def _check_readable(value: object, info: ValidationInfo) -> object:
    """Refuse letters that no reader sees, or that turn others around."""
    text = value if isinstance(value, str) and not is_recorded(info) else ""
    letter = next((own for own in text if not own.isprintable()), "")
    if letter:
        message = f"the value has the letter U+{ord(letter):04X}, which readers cannot see"
        raise fault("P006", message, hint="write it without, and let the exporter do so too")
    return value


class SegmentLabel(Model):
    """A label that splits guardrails' units, by the values that the plan names."""

    label: Label = Field(description="Label that the series carry.", examples=["department"])
    values: list[Annotated[LineText, BeforeValidator(_check_readable)]] = Field(
        min_length=1, description="Its values, each of which is a segment. Others are not recorded."
    )
    guardrails: list[Word] | None = Field(
        None,
        min_length=1,
        description="Names of the guardrails that are split; every one that is compared with "
        "stable when left out.",
    )
    at_least: int = Field(
        LEAST_UNITS,
        strict=True,
        ge=1,
        le=1_000_000,
        description="Units of each version below which a segment's numbers are not shown.",
    )

    @field_validator("values")
    @classmethod
    def _check_values(cls, values: list[str], info: ValidationInfo) -> list[str]:
        """Check that the values are different ones, also to a reader (Unicode's NFC)."""
        spelt = [unicodedata.normalize("NFC", value) for value in values]
        twins = [n for n, text in enumerate(spelt) if text in spelt[:n]]
        if twins and not is_recorded(info):
            raise_at("values", *[((n,), _twin(values[n], values[:n])) for n in twins])
        return values

    @field_validator("guardrails")
    @classmethod
    def _check_named_once(
        cls, guardrails: list[str] | None, info: ValidationInfo
    ) -> list[str] | None:
        own = guardrails or []
        twins = [n for n, name in enumerate(own) if name in own[:n]]
        if twins and not is_recorded(info):
            faults = [fault("P010", f"`{own[n]}` is named twice", hint="remove one") for n in twins]
            raise_at("guardrails", *[((n,), f) for n, f in zip(twins, faults, strict=True)])
        return guardrails


def _twin(value: str, before: Sequence[str]) -> PydanticCustomError:
    """Make the mistake of a value that is, or reads as, one before it."""
    if value in before:
        return fault("P010", f"the value `{value}` is given twice", hint="remove one")
    hint = "let the exporter write one spelling (Unicode NFC), and name that"
    return fault("P010", f"the value `{value}` is an earlier one in other letters", hint=hint)


class SegmentGuardrail(NamedTuple):
    """A guardrail of one segment's units: `of` is the guardrail that counts all of them."""

    guardrail: Guardrail
    of: str
    label: str
    value: str
    at_least: int

    @property
    def name(self) -> str:
        """What it is called in the journal: `errors[department=cardiology]`."""
        return self.guardrail.name


def split_guardrails(
    segments: Sequence[SegmentLabel], guardrails: Sequence[Guardrail]
) -> tuple[SegmentGuardrail, ...]:
    """Return each guardrail of each segment, in the plan's order."""
    return tuple(
        _narrow(guardrail, declared, value)
        for declared in segments
        for guardrail in _list_split(declared, guardrails)
        for value in declared.values
    )


def _narrow(guardrail: Guardrail, declared: SegmentLabel, value: str) -> SegmentGuardrail:
    exact = Having(label=declared.label, value=value)
    labels = guardrail.labels.model_copy(update={"where": [*(guardrail.labels.where or ()), exact]})
    name = f"{guardrail.name}[{declared.label}={value}]"
    narrowed = guardrail.model_copy(update={"name": name, "labels": labels})
    return SegmentGuardrail(narrowed, guardrail.name, declared.label, value, declared.at_least)


def _list_split(declared: SegmentLabel, guardrails: Sequence[Guardrail]) -> Iterator[Guardrail]:
    """Yield the guardrails that a label splits: those that it names, or all that it can split."""
    for guardrail in guardrails:
        is_meant = declared.guardrails is None or guardrail.name in declared.guardrails
        if is_meant and not _find_obstacle(declared.label, guardrail):
            yield guardrail


def _find_obstacle(label: str, guardrail: Guardrail) -> str:
    """Say why a label cannot split a guardrail; empty where it can."""
    metric = guardrail.metric
    if not (guardrail.weighs_evidence and metric.needs_stable):
        return f"`{guardrail.name}` is not compared with stable, so it has no segments"
    # The values of the second are names of judges, which no journal has.
    if label in guardrail.labels_in_use or label == metric.judge:
        return f"`{guardrail.name}` reads the label `{label}` for something else already"
    return ""


def check_segments_fit(segments: Sequence[SegmentLabel], guardrails: Sequence[Guardrail]) -> None:
    """Check that each label can split guardrails, and that there are not too many segments."""
    faults: list[_Fault] = []
    by_name = {guardrail.name: guardrail for guardrail in guardrails}
    before: set[str] = set()
    for index, declared in enumerate(segments):
        label = declared.label
        if label in before:
            problem = fault("P010", f"the label `{label}` is given twice")
            faults.append(((index, "label"), problem))
        before.add(label)
        for n, name in enumerate(declared.guardrails or ()):
            path = (index, "guardrails", n)
            if name not in by_name:
                problem = fault("P006", f"there is no guardrail `{name}`", choices=sorted(by_name))
                faults.append((path, problem))
            elif obstacle := _find_obstacle(label, by_name[name]):
                faults.append((path, fault("P029", obstacle)))
        if declared.guardrails is None and not any(_list_split(declared, guardrails)):
            message = f"the label `{label}` can split none of the guardrails"
            hint = "it needs a guardrail that is compared with stable and does not read this label"
            faults.append(((index, "label"), fault("P029", message, hint=hint)))
    count = sum(len(declared.values) for declared in segments)
    if count > MOST_SEGMENTS:
        message = f"{count} segments are too many: there are at most {MOST_SEGMENTS}"
        faults.append(((), fault("P006", message)))
    if faults:
        raise_at("segments", *faults)
