"""OpenTelemetry's names as Prometheus 3 may keep them: with dots, and with or without suffixes.

Prometheus translates names by its `translation_strategy`: `NoUTF8EscapingWithSuffixes` keeps dots
and adds `_seconds` and `_total`, `NoTranslation` keeps the name as it is. Labels keep their dots in
both. Each spelling is a template of its own: where two are there for a week, none is read twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rollout.plan.model.shipped.forms import Spec

_SERIES = {
    name.replace(".", "_"): name
    for name in (
        "gen_ai.client.inference.duration",
        "gen_ai.client.inference.time_to_first_chunk",
        "gen_ai.client.inference.usage.input_tokens",
        "gen_ai.client.inference.usage.output_tokens",
        "gen_ai.client.operation.duration",
        "gen_ai.client.operation.time_to_first_chunk",
        "gen_ai.client.token.usage",
    )
}
_LABELS = {
    name.replace(".", "_"): name
    for name in ("error.type", "gen_ai.request.model", "gen_ai.token.type")
}
_SUFFIXES = ("_seconds", "_total")  # of units and counters; the parts of a histogram stay
_SPELLINGS = {
    "dotted": "with dots (Prometheus 3)",
    "untranslated": "untranslated (Prometheus 3)",
}


def spell_dotted(specs: Mapping[str, Spec]) -> dict[str, Spec]:
    """Return templates in both spellings: of `genai/x` `genai-dotted/x`, `genai-untranslated/x`."""
    dotted = {}
    for family in dict.fromkeys(name.partition("/")[0] for name in specs):
        for spelling, words in _SPELLINGS.items():
            for name, spec in specs.items():
                if name.partition("/")[0] == family:
                    own = _spell(spec, has_suffixes=spelling == "dotted")
                    own["description"] = f"As {name}, {words}."
                    dotted[f"{family}-{spelling}/{name.partition('/')[2]}"] = own
    return dotted


def _spell(value: Any, *, has_suffixes: bool) -> Any:
    """Return a document with the names of series and labels that it holds in another spelling."""
    if isinstance(value, dict):
        return {
            _LABELS.get(key, key): _spell(inner, has_suffixes=has_suffixes)
            for key, inner in value.items()
            if key != "needs"
        }
    if not isinstance(value, str):
        return value
    base = next((own for own in _SERIES if value.startswith(own)), None)
    if base is None:
        return _LABELS.get(value, value)
    suffix = value.removeprefix(base)
    for dropped in () if has_suffixes else _SUFFIXES:
        suffix = suffix.replace(dropped, "")
    return f"{_SERIES[base]}{suffix}"
