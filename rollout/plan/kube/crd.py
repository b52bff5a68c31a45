"""The plan as a Kubernetes custom resource: its definition, made from the models.

A structural schema (apiextensions/v1) is less than JSON Schema: no references, no `const`, no types
inside `oneOf`, bounds as in draft 4. What it cannot say is left to the controller, as conditions.
No default is written, so that the API server never changes a user's document.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import yaml

from rollout.plan.fields.templates import TEMPLATES
from rollout.plan.kube.status import COLUMNS, Status
from rollout.plan.model.plan import Plan

GROUP, VERSION, PLURAL, KIND = "surefoot.dev", "v1alpha1", "rolloutplans", "RolloutPlan"

Json = dict[str, Any]

_BOUNDS = ("minimum", "maximum")
_KEPT = ("description", "type", "format", "pattern", "enum", "minLength", "minItems", *_BOUNDS)


def definition() -> Json:
    """The CustomResourceDefinition of plans, as plain data."""
    return defined(KIND, ["plan", "plans"], _document(), COLUMNS)


def defined(kind: str, short: list[str], document: Json, columns: list[Json]) -> Json:
    """A CustomResourceDefinition of our group, with a status that only we write."""
    plural = f"{kind.lower()}s"
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": document},
        "subresources": {"status": {}},
        "additionalPrinterColumns": columns,
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": names | {"shortNames": short, "categories": ["all"]},
            "scope": "Namespaced",
            "versions": [version],
        },
    }


def definition_text(made: Json | None = None, option: str = "--crd") -> str:
    """A definition as it is printed and kept in `manifests/`; that of plans without another."""
    head = f"# Made by `surefoot schema {option}` from the plan's models; not for editing.\n"
    document = definition() if made is None else made
    return head + yaml.safe_dump(document, sort_keys=False, width=100, allow_unicode=True)


def _document() -> Json:
    """A whole plan: its name and spec as in a file, and the status that only we write."""
    schema = Plan.model_json_schema()
    document = structural(schema, schema["$defs"])
    name = document["properties"]["metadata"]["properties"]["name"]
    document["properties"]["metadata"] = {"type": "object", "properties": {"name": name}}
    document["properties"]["status"] = _status()
    document["required"] = ["spec"]
    return document


def _status() -> Json:
    schema = Status.model_json_schema()
    made = structural(schema, schema["$defs"])
    keyed = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
    made["properties"]["conditions"] |= keyed
    return made


def structural(schema: Mapping[str, Any], refs: Mapping[str, Any]) -> Json:
    """A JSON Schema of pydantic as a structural one. Raises ValueError for what has no place."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        made = structural(refs[name], refs) | _plain(schema)
        return made | RULES.get(name, dict)()
    branches = schema.get("anyOf") or schema.get("oneOf")
    if branches:
        return _plain(schema) | _choice(branches, refs)
    made = _plain(schema)
    if "properties" in schema:
        fields = schema["properties"].items()
        made["properties"] = {key: structural(field, refs) for key, field in fields}
        made |= {"required": list(schema["required"])} if schema.get("required") else {}
    if "items" in schema:
        made["items"] = structural(schema["items"], refs)
    if "type" not in made:
        raise ValueError(f"no structural schema says {schema}")
    return made


def _plain(schema: Mapping[str, Any]) -> Json:
    """The keywords that are the same, `const` and the bounds in their older spelling."""
    made = {key: schema[key] for key in _KEPT if key in schema}
    if "const" in schema:
        made["enum"] = [schema["const"]]
    for bound in _BOUNDS:
        exclusive = f"exclusive{bound.capitalize()}"
        if exclusive in schema:
            made |= {bound: schema[exclusive], exclusive: True}
    return made


def _choice(branches: list[Json], refs: Mapping[str, Any]) -> Json:
    """One of several: nothing or a value, a percentage or a number, one ramp or the other."""
    some = [branch for branch in branches if branch.get("type") != "null"]
    if len(some) == 1:
        return structural(some[0], refs) | {"nullable": True}
    if {branch.get("type") for branch in some} == {"string", "number"}:
        nullable = {"nullable": True} if len(some) < len(branches) else {}
        rules = [(key, value) for branch in some for key, value in _plain(branch).items()]
        rules = [(key, value) for key, value in rules if key != "type"]
        return {**nullable, "x-kubernetes-preserve-unknown-fields": True, **dict(rules)}
    return _either([structural(branch, refs) for branch in some])


def _either(kinds: list[Json]) -> Json:
    """Objects of several kinds as one object: all fields known, one kind's required ones there."""
    common = set.intersection(*(set(kind["required"]) for kind in kinds))
    fields = {key: field for kind in kinds for key, field in kind["properties"].items()}
    own = [[key for key in kind["required"] if key not in common] for kind in kinds]
    return {
        "type": "object",
        "properties": fields,
        "required": sorted(common),
        "oneOf": [
            {
                "required": mine,
                "not": {"anyOf": [{"required": [k]} for keys in own if keys != mine for k in keys]},
            }
            for mine in own
        ],
    }


def _guardrail() -> Json:
    """A template decides which of margin and tolerance is due."""
    return {"oneOf": [_takes("rate", "margin"), _takes("shape", "tolerance")]}


def _takes(kind: str, key: str) -> Json:
    names = sorted(name for name, template in TEMPLATES.items() if template.kind == kind)
    return {"properties": {"template": {"enum": names}}, "required": [key]}


def _one_of(*keys: str) -> Callable[[], Json]:
    return lambda: {"oneOf": [{"required": [key]} for key in keys]}


RULES: dict[str, Callable[[], Json]] = {
    "Guardrail": _guardrail,
    "BlueGreen": _one_of("holdback", "before"),
    "Route": _one_of("envoy", "istio", "gateway"),
    "GatewayRoute": _one_of("httpRoute", "grpcRoute"),
    "Affinity": _one_of("header", "cookie"),
    "Match": _one_of("exact", "prefix", "regex"),
    "Segment": _one_of("header", "cookie", "query"),
}
