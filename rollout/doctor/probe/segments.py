"""Check that the series carry the labels and values by which a plan splits its guardrails."""

from __future__ import annotations

from collections.abc import Iterator

from rollout.decide.text.numbers import join
from rollout.doctor.finding import Finding
from rollout.doctor.probe.missing import Query
from rollout.doctor.probe.wording import build_matchers
from rollout.errors import ObserveError
from rollout.observe.selectors.promql import format_selector, spell_label
from rollout.observe.selectors.source import source_of
from rollout.plan.model.guardrail import Guardrail
from rollout.plan.model.plan import Plan
from rollout.plan.model.trial.segments import SegmentLabel

_NO_LABEL = "let the exporter or the scrape configuration add it, or remove it from `segments`"
_NO_VALUE = "nothing to do if it had no request yet; else write it in `values` as the series do"


def of_plan(plan: Plan, query: Query) -> Iterator[Finding]:
    """Yield a finding for each label and each guardrail that it splits."""
    guardrails = {guardrail.name: guardrail for guardrail in plan.spec.guardrails}
    for declared in plan.spec.segments or ():
        own = [s.of for s in plan.spec.segment_guardrails if s.label == declared.label]
        for name in dict.fromkeys(own):
            try:
                yield _check(plan, guardrails[name], declared, query)
            except ObserveError:
                continue  # what does not answer is a finding on the series


def _check(plan: Plan, guardrail: Guardrail, declared: SegmentLabel, query: Query) -> Finding:
    source, label = source_of(plan, guardrail), declared.label
    selector = format_selector(source.names, build_matchers(source, plan.spec.service))
    rows = query(source.server, f"count by (__name__,{spell_label(label)}) ({selector})")
    by_name: dict[str, set[str]] = {}
    for labels, _ in rows:
        own = by_name.setdefault(labels.get("__name__", source.names[0]), set())
        own |= {labels.get(label, "")} - {""}
    values = set().union(*by_name.values())
    subject = f"{plan.name}/{guardrail.name}"
    if not values:
        return Finding("series", subject, "warn", f"no series has the label {label}", _NO_LABEL)
    without = sorted(name for name, own in by_name.items() if not own)
    if without:  # of these nothing would be counted in any segment
        message = f"no series of {join(without)} has the label {label}"
        return Finding("series", subject, "warn", message, _NO_LABEL)
    missing = [value for value in declared.values if value not in values]
    if missing:
        message = f"no series has {join([f'{label}={value}' for value in missing])}"
        return Finding("series", subject, "warn", message, _NO_VALUE)
    others = len(values - {*declared.values})
    words = f"; {others:,} other value{'s have' if others > 1 else ' has'} no segment"
    rest = words if others else ""
    message = f"every segment of {label} has series{rest}"
    return Finding("series", subject, "ok", message)
