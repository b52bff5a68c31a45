"""Writes a first plan: what is known of the service, and a comment where a person has to choose."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rollout.doctor.draft.survey import FoundService
from rollout.errors import InputError
from rollout.plan.model.templates import METRICS, SHIPPED
from rollout.plan.model.terms import FULL, Authority

_FAMILIES = ("istio", "linkerd-route", "linkerd", "envoy", "nginx", "traefik", "http")
"""Who counts for a server, best first: a proxy counts what the server never answers."""

_MOST = 4  # guardrails of a draft
_LINK = re.compile(r"\[([^]]+)\]\(([^)]+)\)")  # of the manual, whose pages link to each other


@dataclass(frozen=True)
class ChosenGuardrail:
    """A template that reads the service; `edge` is where its values are divided, None for rates."""

    template: str
    edge: float | None = None


@dataclass(frozen=True)
class Draft:
    """What a first plan says; `canary` is empty where no second version has series."""

    service: str
    stable: str
    canary: str
    guardrails: Sequence[ChosenGuardrail]
    route: str
    namespace: str = ""
    prometheus: str = ""
    access: str = ""
    authority: Authority = FULL


def choose_templates(service: FoundService) -> list[str]:
    """Return the templates of a draft: errors and times of the best family, then judges' ones."""
    counted = [name for name in service.templates if METRICS[name].reporter != "judge"]
    judged = [name for name in service.templates if METRICS[name].reporter == "judge"]
    families = sorted({_family(name) for name in counted}, key=_rank)
    best = [name for name in counted if families and _family(name) == families[0]]
    rates = [name for name in best if METRICS[name].kind == "rate"][:1]
    times = [name for name in best if METRICS[name].kind == "shape"][:1]
    return [*rates, *times, *judged][:_MOST]


def write_plan(draft: Draft) -> str:
    """Return the plan as YAML that `surefoot check` accepts once the canary is named."""
    return "\n".join([*_write_head(draft), *_write_guardrails(draft), ""])


def write_route(route: str, service: str, stable: str, canary: str) -> str:
    """Return the route of a draft, from `KIND:NAME`; empty: a guess, with a comment.

    Raises InputError for another kind.
    """
    kind, _, name = (route or f"istio:{service}").partition(":")
    comment = "" if route else "   # a guess; or gateway: ..., envoy: ... (docs/plan.md)"
    if kind == "istio" and name:
        return f"{{istio: {{virtualService: {_quote(name)}}}}}{comment}"
    if kind == "gateway" and name:
        arms = ", ".join(
            f"{arm}: {_make_name(service, version)}"
            for arm, version in (("stable", stable), ("canary", canary))
        )
        return (
            f"{{gateway: {{httpRoute: {_quote(name)}, backends: {{{arms}}}}}}}   # guessed Services"
        )
    raise InputError(f"--route {route}: write istio:VIRTUALSERVICE or gateway:HTTPROUTE")


def _write_head(draft: Draft) -> Iterator[str]:
    yield "# yaml-language-server: $schema=https://surefoot.dev/schemas/v1alpha1/rolloutplan.json"
    yield "# A first draft. Then: surefoot check, surefoot doctor, surefoot rehearse."
    yield "apiVersion: surefoot.dev/v1alpha1"
    yield "kind: RolloutPlan"
    namespace = f", namespace: {_quote(draft.namespace)}" if draft.namespace else ""
    yield f"metadata: {{name: {_make_name(draft.service, draft.canary)}{namespace}}}"
    yield "spec:"
    yield f"  service: {_quote(draft.service)}"
    yield f"  stable: {{version: {_quote(draft.stable)}}}"
    comment = "" if draft.canary else "   # no second version has series yet: name the next one"
    yield f"  canary: {{version: {_quote(draft.canary or 'NEXT')}}}{comment}"
    if draft.prometheus:
        access = f", access: {draft.access}" if draft.access else ""
        yield f"  prometheus: {{url: {_quote(draft.prometheus)}{access}}}"
    yield f"  route: {draft.route}"
    yield "  ramp: {steps: [1%, 5%, 25%, 50%], bake: 5m}"
    if draft.authority != FULL:
        yield f"  authority: {draft.authority}"


def _write_guardrails(draft: Draft) -> Iterator[str]:
    yield "  guardrails:   # what must not get worse, and by how much it may"
    for chosen in draft.guardrails:
        name = chosen.template.replace("/", "-")
        limit = _write_limit(chosen)
        yield f"    - {{name: {name}, template: {chosen.template}, {limit}}}"
        if needs := SHIPPED[chosen.template].spec.needs:
            yield f"      # {_LINK.sub(_name_page, needs.splitlines()[0])}"


def _name_page(link: re.Match[str]) -> str:
    """Return a link of the manual as a comment's reader finds it: `words, docs/page.md`."""
    words, page = link.groups()
    return words if "://" in page else f"{words}, docs/{page}"


def _write_limit(chosen: ChosenGuardrail) -> str:
    metric = METRICS[chosen.template]
    if metric.kind == "rate":
        return "margin: {ratio: 1.25, absolute: 0.2%}"
    margin = "margin: {absolute: 1%}"
    if chosen.edge is None:
        return "tolerance: 10%" if metric.relative else "tolerance: 0.02"
    if metric.is_time:
        return f"slower: {{than: {metric.spell(chosen.edge).replace(' ', '')}, {margin}}}"
    word = "score" if metric.unit == "score" else "value"
    return f"{metric.key_of_edge}: {{{word}: {chosen.edge:.7g}, {margin}}}"


def _make_name(service: str, version: str) -> str:
    words = f"{service}-{version or 'next'}".lower()
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in words)
    return plain.strip("-")[:50].strip("-") or "rollout"


def _quote(text: str) -> str:
    """Return a text as YAML reads it back: quoted, unless it is plain."""
    is_plain = text.isascii() and text.replace("-", "").isalnum() and text[:1].isalpha()
    is_word = text.lower() in {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
    return text if is_plain and not is_word else json.dumps(text, ensure_ascii=False)


def _family(template: str) -> str:
    return template.partition("/")[0]


def _rank(family: str) -> int:
    return _FAMILIES.index(family) if family in _FAMILIES else len(_FAMILIES)
