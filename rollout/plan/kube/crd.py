"""The plan as a Kubernetes custom resource: its definition, made from the models.

A structural schema (apiextensions/v1) can say less than JSON Schema: it has no references, no
`const`, no types inside `oneOf`, and bounds as in draft 4. The controller checks what the schema
cannot say, and reports it as conditions. The schema has no defaults, so that the API server never
changes a user's document.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import yaml

from rollout.plan.kube.json_schema import bound_lists
from rollout.plan.kube.status import COLUMNS, Status
from rollout.plan.model.guardrail import KINDS, UNBOUND
from rollout.plan.model.plan import Plan
from rollout.plan.model.templates import METRICS

GROUP, VERSION, PLURAL, KIND = "surefoot.dev", "v1alpha1", "rolloutplans", "RolloutPlan"

Json = dict[str, Any]

_BOUNDS = ("minimum", "maximum")
_SHARED = (
    "description",
    "type",
    "format",
    "pattern",
    "enum",
    "minLength",
    "minItems",
    "minProperties",
    *_BOUNDS,
)


def definition() -> Json:
    """The CustomResourceDefinition of plans, as plain data."""
    return defined(KIND, ["plan", "plans"], _build_document(), COLUMNS)


def defined(kind: str, short: list[str], document: Json, columns: list[Json]) -> Json:
    """A CustomResourceDefinition of our API group, with the status as a subresource.

    So users write the spec and only the controller writes the status.
    """
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


def definition_text(content: Json | None = None, option: str = "--crd") -> str:
    """The text of a definition as in `manifests/`; without `content`, that of plans."""
    head = f"# Made by `surefoot schema {option}` from the plan's models; not for editing.\n"
    document = definition() if content is None else content
    return head + yaml.safe_dump(document, sort_keys=False, width=100, allow_unicode=True)


def _build_document() -> Json:
    """The schema of a whole resource: name and spec as in a plan's file, and the status."""
    schema = Plan.model_json_schema()
    document: Json = bound_lists(structural(schema, schema["$defs"]))
    name = document["properties"]["metadata"]["properties"]["name"]
    document["properties"]["metadata"] = {"type": "object", "properties": {"name": name}}
    document["properties"]["status"] = _build_status()
    document["required"] = ["spec"]
    return document


def _build_status() -> Json:
    schema = Status.model_json_schema()
    status = structural(schema, schema["$defs"])
    keyed = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
    status["properties"]["conditions"] |= keyed
    return status


def structural(schema: Mapping[str, Any], refs: Mapping[str, Any]) -> Json:
    """Convert a JSON Schema of pydantic to a structural schema.

    `refs` holds the definitions that `$ref` points to. Raises ValueError for a schema without a
    type, which a structural schema cannot express.
    """
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        # Keywords next to `$ref`, such as the field's own description, win over the definition's.
        resolved = structural(refs[name], refs) | _copy_keywords(schema)
        return resolved | RULES.get(name, dict)()
    branches = schema.get("anyOf") or schema.get("oneOf")
    if branches:
        return _copy_keywords(schema) | _merge_alternatives(branches, refs)
    converted = _copy_keywords(schema)
    if isinstance(schema.get("type"), list):  # a structural schema has no such choice
        return {"description": schema["description"], "x-kubernetes-preserve-unknown-fields": True}
    if "properties" in schema:
        fields = schema["properties"].items()
        converted["properties"] = {key: structural(field, refs) for key, field in fields}
        converted |= {"required": list(schema["required"])} if schema.get("required") else {}
    if "items" in schema:
        converted["items"] = structural(schema["items"], refs)
    further = schema.get("additionalProperties")
    if further is True:
        converted["x-kubernetes-preserve-unknown-fields"] = True
    elif isinstance(further, dict):  # a map, such as labels: without this its keys are dropped
        converted["additionalProperties"] = structural(further, refs)
    if "type" not in converted:
        raise ValueError(f"no structural schema says {schema}")
    return converted


def _copy_keywords(schema: Mapping[str, Any]) -> Json:
    """Copy the keywords that both schemas have; spell `const` and the bounds as in draft 4."""
    copied = {key: schema[key] for key in _SHARED if key in schema}
    if "const" in schema:
        copied["enum"] = [schema["const"]]
    for bound in _BOUNDS:
        exclusive = f"exclusive{bound.capitalize()}"
        if exclusive in schema:
            copied |= {bound: schema[exclusive], exclusive: True}
    return copied


def _merge_alternatives(branches: list[Json], refs: Mapping[str, Any]) -> Json:
    """Convert alternatives to one schema.

    They are null or a value, a percentage or a number, a word or an object, or one kind of ramp or
    another.
    """
    some = [branch for branch in branches if branch.get("type") != "null"]
    if len(some) == 1:
        return structural(some[0], refs) | {"nullable": True}
    if any("const" in branch for branch in some):  # a word in place of a whole object
        wholes = [structural(branch, refs) for branch in some if "const" not in branch]
        for whole in wholes:
            del whole["type"], whole["description"]  # its fields hold for an object alone
        whole = wholes[0] if len(wholes) == 1 else _merge_shorter(wholes)
        return {"x-kubernetes-preserve-unknown-fields": True} | whole
    if {branch.get("type") for branch in some} == {"string", "number"}:
        nullable = {"nullable": True} if len(some) < len(branches) else {}
        rules = [(key, value) for branch in some for key, value in _copy_keywords(branch).items()]
        rules = [(key, value) for key, value in rules if key != "type"]
        return {**nullable, "x-kubernetes-preserve-unknown-fields": True, **dict(rules)}
    return _merge_kinds([structural(branch, refs) for branch in some])


def _merge_shorter(wholes: list[Json]) -> Json:
    """Merge objects of which the later ones have fewer fields of the first, and require others."""
    return {
        "properties": wholes[0]["properties"],
        "anyOf": [{"required": whole["required"]} for whole in wholes],
    }


def _merge_kinds(kinds: list[Json]) -> Json:
    """Merge kinds of objects into one object schema.

    It allows the fields of all kinds. A structural schema has no types inside `oneOf`, so `oneOf`
    only says that the required fields of exactly one kind are present.
    """
    common = set.intersection(*(set(kind["required"]) for kind in kinds))
    fields = {key: field for kind in kinds for key, field in kind["properties"].items()}
    required = [[key for key in kind["required"] if key not in common] for kind in kinds]
    return {
        "type": "object",
        "properties": fields,
        "required": sorted(common),
        "oneOf": [
            {
                "required": own,
                "not": {"anyOf": [{"required": [k]} for ks in required if ks != own for k in ks]},
            }
            for own in required
        ],
    }


def _require_metric_and_limit() -> Json:
    """Require one metric, and one limit that fits it; what is only shown has none."""
    keys = dict.fromkeys(key for _, fitting in KINDS.values() for key in fitting)
    limits = [_fits(key) for key in keys]
    asked = _list_metrics(set(KINDS) - set(UNBOUND))
    none = {"not": {"anyOf": [*({"required": [key]} for key in keys), *asked]}}
    one_metric = _require_one_of("template", *KINDS)()
    # A namespace's own templates are resources, whose names have no `/`, as all shipped ones have.
    names = [{"enum": sorted(METRICS)}, {"pattern": "^[^/]+$"}]
    named = {"properties": {"template": {"anyOf": names}}}
    return {"allOf": [one_metric, named, {"oneOf": [*limits, none]}]}


def _fits(key: str) -> Json:
    """A limit and what it does not fit: metrics of other kinds, and their limits."""
    own = {metric for metric, (_, fitting) in KINDS.items() if key in fitting}
    allowed = {other for metric in own for other in KINDS[metric][1]}
    limits = [
        {"required": [other]}
        for metric, (_, fitting) in KINDS.items()
        for other in fitting
        if metric not in own and other not in allowed
    ]
    return {"required": [key], "not": {"anyOf": [*_list_metrics(set(KINDS) - own), *limits]}}


def _list_metrics(keys: Collection[str]) -> list[Json]:
    """List the metrics of some kinds: declared by their keys, and the shipped templates."""
    kinds = {KINDS[key][0] for key in keys}
    names = sorted(name for name, metric in METRICS.items() if metric.kind in kinds)
    is_template = {"required": ["template"], "properties": {"template": {"enum": names}}}
    return [*({"required": [key]} for key in sorted(keys)), is_template]


def _require_one_of(*keys: str) -> Callable[[], Json]:
    return lambda: {"oneOf": [{"required": [key]} for key in keys]}


RULES: dict[str, Callable[[], Json]] = {
    "Guardrail": _require_metric_and_limit,
    "BlueGreen": _require_one_of("holdback", "before"),
    "TemplateSpec": _require_one_of(*(key for key in KINDS if key != "human")),  # it names another
    "Release": lambda: {"minProperties": 1},
    "Route": _require_one_of("envoy", "istio", "gateway"),
    "GatewayRoute": _require_one_of("httpRoute", "grpcRoute"),
    "Affinity": _require_one_of("header", "cookie"),
    "Match": _require_one_of("exact", "prefix", "regex"),
    "Segment": _require_one_of("header", "cookie", "query"),
}
