"""Metric templates as resources of a namespace: the definition, and how one is read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from rollout.answers.json_text import check_depth
from rollout.errors import Mistake, PlanError
from rollout.plan.kube import crd
from rollout.plan.kube.json_schema import bound_lists
from rollout.plan.kube.resource import (
    as_applied,
    build_document,
    describe_mistakes,
    name_of,
    text_of,
)
from rollout.plan.model.template import MetricTemplate
from rollout.plan.model.templates import METRICS
from rollout.plan.reading.bounds import find_excess, too_large
from rollout.plan.reading.mistakes import mistakes
from rollout.plan.reading.positions import compose, is_text

KIND, PLURAL = "MetricTemplate", "metrictemplates"

Json = dict[str, Any]


def definition() -> Json:
    """The CustomResourceDefinition of metric templates, as plain data; they have no status."""
    document = crd.defined(KIND, [], _build_document(), _COLUMNS)
    (version,) = document["spec"]["versions"]
    del version["subresources"], document["spec"]["names"]["shortNames"]
    return document


def template_of(resource: Json) -> MetricTemplate:
    """Read the template that a resource declares.

    Raises PlanError, whose line numbers are those of `text_of`, as `plan_of` does.
    """
    try:
        document = build_document(resource)
        check_depth(document)
        text = json.dumps(document, ensure_ascii=False)
    except ValueError as error:
        raise _refuse(resource, str(error)) from None
    if problem := too_large(len(text)):
        raise _refuse(resource, problem)
    if not is_text(text) or any(find_excess(document)):
        raise _refuse(resource, "it holds characters or lists that no template has")
    try:
        return MetricTemplate.model_validate(document)
    except ValidationError as error:
        (written, *_), _ = compose(text_of(resource), name_of(resource), "template")
        raise PlanError(mistakes(error, written, MetricTemplate)) from None


def describe_wrong(resource: Json, error: PlanError) -> str:
    """Say in one line what is wrong with a template, for the plans that name it."""
    return "; ".join(describe_mistakes(resource, error))


def list_named(resource: Json) -> list[str]:
    """Return the templates that a plan's resource names and that are not shipped, in order."""
    return sorted(set(_iterate_named(as_applied(resource))))


def _iterate_named(spec: Any) -> Iterator[str]:
    guardrails = spec.get("guardrails") if isinstance(spec, dict) else None
    for guardrail in guardrails if isinstance(guardrails, list) else ():
        name = guardrail.get("template") if isinstance(guardrail, dict) else None
        if isinstance(name, str) and name not in METRICS:
            yield name


def _refuse(resource: Json, problem: str) -> PlanError:
    return PlanError([Mistake(name_of(resource), 1, 1, "P001", problem)])


def _build_document() -> Json:
    """The schema of a whole resource. A resource's name has no `/`."""
    schema = MetricTemplate.model_json_schema()
    document: Json = bound_lists(crd.structural(schema, schema["$defs"]))
    name = {"type": "string", "pattern": r"^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$"}
    document["properties"]["metadata"] = {"type": "object", "properties": {"name": name}}
    document["required"] = ["spec"]
    return document


_COLUMNS: list[Json] = [
    {"name": "Description", "type": "string", "jsonPath": ".spec.description"},
]
