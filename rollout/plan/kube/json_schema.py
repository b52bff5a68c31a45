"""The plan's JSON Schema (draft 2020-12), for editors and for programs in other languages."""

from __future__ import annotations

import json
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from rollout.plan.model.plan import Plan

ID = "https://surefoot.dev/schemas/v1alpha1/rolloutplan.json"


class _Untitled(GenerateJsonSchema):
    """Generate no titles for fields, because editors show the key and its description."""

    def field_title_should_be_set(self, _: Any) -> bool:
        return False


def schema() -> dict[str, Any]:
    """The schema of one plan document, as plain data."""
    body = Plan.model_json_schema(schema_generator=_Untitled)
    return {"$schema": _Untitled.schema_dialect, "$id": ID} | _tidy(body)


def schema_text() -> str:
    """The text of the schema, as it is printed and as it is in the repository."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _tidy(value: Any) -> JsonSchemaValue | Any:
    """Drop defaults that are whole mappings: their keys have defaults of their own.

    A mapping with a `type` is kept: it would be the schema of a field named `default`.
    """
    if isinstance(value, list):
        return [_tidy(item) for item in value]
    if isinstance(value, dict):
        return {
            key: _tidy(inner)
            for key, inner in value.items()
            if key != "default" or not isinstance(inner, dict) or "type" in inner
        }
    return value
