"""The plan's JSON Schema (draft 2020-12), for editors and for everything that is not Python."""

from __future__ import annotations

import json
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from rollout.plan.model.plan import Plan

ID = "https://surefoot.dev/schemas/v1alpha1/rolloutplan.json"


class _Untitled(GenerateJsonSchema):
    """Without a title per field: an editor shows the key and its description."""

    def field_title_should_be_set(self, _: Any) -> bool:
        return False


def schema() -> dict[str, Any]:
    """The schema of one plan document, as plain data."""
    body = Plan.model_json_schema(schema_generator=_Untitled)
    return {"$schema": _Untitled.schema_dialect, "$id": ID} | _tidy(body)


def schema_text() -> str:
    """The schema as it is printed and kept in the repository."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _tidy(value: Any) -> JsonSchemaValue | Any:
    """Drop defaults that are whole mappings: their keys have defaults of their own."""
    if isinstance(value, list):
        return [_tidy(item) for item in value]
    if isinstance(value, dict):
        return {
            key: _tidy(inner)
            for key, inner in value.items()
            if key != "default" or not isinstance(inner, dict) or "type" in inner
        }
    return value
