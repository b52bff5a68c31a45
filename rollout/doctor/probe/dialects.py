"""Other names by which a server may export what a guardrail reads.

Names differ by release, by exporter (`_total`, the unit) and by translation (dots, underscores).
They are only told: which one is read is for the plan to say, and never two at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from rollout.errors import ObserveError
from rollout.observe.selectors.promql import format_selector, quoted
from rollout.plan.fields.metric import DeclaredMetric
from rollout.plan.model.templates import METRICS
from rollout.plan.reading.suggest import did_you_mean

_ALIKE = 3  # first letters of a name that a misspelt one has too

Ask = Callable[[str], Sequence[tuple[Mapping[str, str], float]]]
"""Returns labels and values of an instant query; raises ObserveError."""

# What was renamed by a release, or is by a distribution: any may be there.
_RENAMED = (
    ("gen_ai_client_inference_", "gen_ai_client_operation_"),
    ("llm_d_epp_model_rewrite_", "inference_extension_model_rewrite_"),
    ("llm_d_epp_", "inference_objective_"),
    ("gen_ai_client_inference_usage_output_tokens", "gen_ai_client_token_usage"),
    ("gen_ai_client_inference_usage_input_tokens", "gen_ai_client_token_usage"),
    ("vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds"),
    ("vllm:", "kserve_vllm:"),
    ("http_server_request_duration_seconds", "http_server_duration_milliseconds"),
)
_HAS_QUANTILE = 'quantile!=""'
_TOKENS = "gen_ai_client_token_usage"  # a histogram once, of which the sum is a counter now
_PURPOSES = {"mean-tokens": "tokens"}  # where `tokens` is the name of a histogram
_UNITS = ("_seconds", "_milliseconds", "_ms", "_tokens", "_token", "_ratio")
_PARTS = ("_bucket", "_count", "_sum", "_total")
_FORMS = {"": ("", "_total"), "_total": ("_total", ""), "_bucket": ("_bucket", "")}


def find_dialects(names: Iterable[str], ask: Ask) -> dict[str, list[str]]:
    """Return by name which others are there; empty where the server tells none."""
    others_by_name: dict[str, list[str]] = {}
    for name in names:
        spelled = "|".join(_spell_pattern(spelling) for spelling in list_spellings(name))
        try:
            rows = ask(f"count by (__name__) ({{__name__=~{quoted(spelled)}}})")
        except ObserveError:  # some servers choose no metric by a regular expression
            continue
        others = {labels.get("__name__", "") for labels, _ in rows} - {"", *_forms_of(name)}
        if others:
            others_by_name[name] = sorted(others)
    return others_by_name


def list_spellings(name: str) -> list[str]:
    """Return the names that mean the same, the given one last."""
    base, suffix = _split(_plain(name))
    bases = dict.fromkeys(unit for form in _rename(base) for unit in _list_units(form))
    forms = _FORMS.get(suffix, (suffix,))
    spellings = [f"{own}{form}" for own in bases for form in forms]
    if suffix in {"", "_total"} and _TOKENS in bases and not base.startswith(_TOKENS):
        spellings.append(f"{_TOKENS}_sum")
    if suffix == "_sum" and _TOKENS in bases:
        spellings += [f"{own}{form}" for own in bases for form in _FORMS[""]]
    return [*(spelling for spelling in spellings if spelling != name), name]


def find_summary(metric: DeclaredMetric, ask: Ask) -> str:
    """Return a metric of which there are only quantiles; empty if there is none."""
    for name in metric.names:
        base, suffix = _split(name)
        # What stands beside quantiles, such as their `_count`, is a counter.
        is_one = metric.kind == "shape" or not suffix
        rows = (
            ask(f"count by (quantile) ({format_selector([base], [_HAS_QUANTILE])})")
            if is_one
            else ()
        )
        if any(labels.get("quantile") for labels, _ in rows):
            return base
    return ""


def list_templates(name: str) -> list[str]:
    """Return the shipped templates that read a series."""
    forms = {name, f"{name}_bucket"}  # a native histogram has the plain name
    return [own for own, metric in METRICS.items() if forms & set(metric.names)]


def describe_dialect(template: str, names: Iterable[str], ask: Ask) -> str:
    """Say in which of several dialects a template's metric is there, and which is there beside it.

    Empty for a template whose metric has one name in all releases, exporters and translations.
    """
    others = list_siblings(template)
    if not others:
        return ""
    own = {*names}
    there = {name for group in find_dialects(sorted(own), ask).values() for name in group}
    beside = sorted(there - {*_all_forms(own)})
    by_template = {other: METRICS[other].names for other in others}
    also = [other for other, read in by_template.items() if {*read} & {*_all_forms(beside)}]
    what = ", ".join(also or beside)
    are = "is" if len(also or beside) == 1 else "are"
    too = f", and not by {what}, which {are} there too: two are never added" if what else ""
    return f", in the dialect {template.partition('/')[0]} (of {len(others) + 1}){too}"


def list_siblings(template: str) -> list[str]:
    """Return the other shipped templates that read the same under another name."""
    own = METRICS.get(template)
    if own is None:
        return []
    spellings = {_plain(form) for name in _list_counted(own) for form in list_spellings(name)}
    purpose = _find_purpose(template)
    return [
        name
        for name, metric in METRICS.items()
        if metric.names != own.names
        and metric.kind == own.kind
        and _find_purpose(name) == purpose
        and all(_plain(read) in spellings for read in _list_counted(metric))
    ]


def _find_purpose(template: str) -> str:
    """Return what a template is for, whatever release or spelling it is of."""
    purpose = template.partition("/")[2]
    return _PURPOSES.get(purpose, purpose)


def _list_counted(metric: DeclaredMetric) -> Sequence[str]:
    """Return the names that mean the same in each dialect: a ratio's units may be others."""
    return [sums.series for sums in metric.bad] if metric.kind == "ratio" else metric.names


def _all_forms(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        yield from (name, f"{name}_bucket")


def _plain(name: str) -> str:
    return name.replace(".", "_")


def _forms_of(name: str) -> tuple[str, str]:
    return name, name.removesuffix("_bucket")


def _split(name: str) -> tuple[str, str]:
    suffix = next((suffix for suffix in _PARTS if name.endswith(suffix)), "")
    return name.removesuffix(suffix), suffix


def _rename(base: str) -> Iterator[str]:
    yield base
    for pair in _RENAMED:
        for old, new in (pair, pair[::-1]):
            if base.startswith(old):
                yield new + base.removeprefix(old)


def _list_units(base: str) -> Iterator[str]:
    yield base
    unit = next((unit for unit in _UNITS if base.endswith(unit)), "")
    if unit:
        yield base.removesuffix(unit)
    for other in _UNITS:
        yield f"{base.removesuffix(unit)}{other}"


def _spell_pattern(name: str) -> str:
    """Return a pattern of a name with its underscores or with dots, as Prometheus 3 may keep."""
    return re.sub(r"[._]", "[._]", name)


def find_near_name(names: Sequence[str], ask: Ask) -> str:
    """Return a hint at a name that is there and begins alike; empty without one."""
    wanted = names[0]
    begin = re.escape(wanted[:_ALIKE])
    rows = ask(f"count by (__name__) ({{__name__=~{quoted(begin + '.*')}}})")
    hint = did_you_mean(wanted, sorted({labels.get("__name__", "") for labels, _ in rows} - {""}))
    return f"; {hint}" if hint else ""
