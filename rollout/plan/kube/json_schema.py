"""JSON Schemas (draft 2020-12) of plans and other documents, for editors and other languages."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from rollout.plan.model.plan import Plan
from rollout.plan.reading.bounds import MOST_ENTRIES
from rollout.plan.reading.stored import METADATA, STATUS

ID = "https://surefoot.dev/schemas/v1alpha1/rolloutplan.json"
TEMPLATE_ID = "https://surefoot.dev/schemas/v1alpha1/metrictemplate.json"

_STORED = {"description": "Of Kubernetes; passed over."}


class _Untitled(GenerateJsonSchema):
    """Generate no titles for fields, because editors show the key and its description."""

    def field_title_should_be_set(self, _: Any) -> bool:
        return False


def schema(model: type[BaseModel] = Plan, identity: str = ID) -> dict[str, Any]:
    """The schema of one document, as plain data; the lists of a plan are bounded."""
    body: Any = _tidy(model.model_json_schema(schema_generator=_Untitled))
    body = _allow_stored(body) if model is Plan or identity == TEMPLATE_ID else body
    bounded: dict[str, Any] = bound_lists(body) if model is Plan else body
    return {"$schema": _Untitled.schema_dialect, "$id": identity} | bounded


def _allow_stored(body: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that also takes what an API server adds to a document."""
    name = body["properties"]["metadata"]["$ref"].rpartition("/")[2]
    metadata = body["$defs"][name]
    properties = metadata["properties"] | dict.fromkeys(METADATA, _STORED)
    definitions = body["$defs"] | {name: metadata | {"properties": properties}}
    return body | {
        "$defs": definitions,
        "properties": body["properties"] | {STATUS: _STORED},
    }


def bound_lists(value: Any) -> Any:
    """Return a schema whose lists have no more entries than a plan may have."""
    if isinstance(value, list):
        return [bound_lists(item) for item in value]
    if not isinstance(value, dict):
        return value
    bounded = {key: bound_lists(inner) for key, inner in value.items()}
    return bounded | ({"maxItems": MOST_ENTRIES} if value.get("type") == "array" else {})


def schema_text(model: type[BaseModel] = Plan, identity: str = ID) -> str:
    """The text of the schema, as it is printed and as it is in the repository."""
    return json.dumps(schema(model, identity), indent=2, ensure_ascii=False) + "\n"


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
