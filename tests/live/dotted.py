"""Names with dots, as Prometheus 3 keeps them, in front of one that cannot: Debian's."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import urlsplit

import requests

from rollout.plan.model.templates import METRICS
from tests.live.expositions import SHIPPED, Exposition
from tests.live.shipped_pages import SHIPPED_PAGES
from tests.support.answering import Reply, Sent, answering

_LABELS = ("error.type", "gen_ai.request.model", "gen_ai.token.type")
_DOTTED = {
    form.replace(".", "_"): form
    for metric in METRICS.values()
    for name in metric.names
    if "." in name
    for form in (name, name.removesuffix("_bucket"))
} | {label.replace(".", "_"): label for label in _LABELS}


def _make_page(template: str) -> Exposition:
    """The page of a template with dots, as a server without them stores it."""
    family, _, purpose = template.partition("/")
    base = f"{family.rpartition('-')[0]}/{purpose}"
    exposition = SHIPPED.get(base) or SHIPPED_PAGES[base]
    names = zip(METRICS[base].names, METRICS[template].names, strict=True)
    stored = {plain: dotted.replace(".", "_") for plain, dotted in names}
    rows = {
        f"{stored[row.partition('{')[0]]}{{{row.partition('{')[2]}": units
        for row, units in exposition.rows.items()
    }
    return replace(exposition, rows=rows, guardrail=exposition.guardrail | {"template": template})


DOTTED_PAGES = {
    name: _make_page(name)
    for name, metric in METRICS.items()
    if any("." in own for own in metric.names)
}


@contextmanager
def keep_dots(url: str):
    """A server that has names with dots, and passes on what it is asked without them."""
    session = requests.Session()
    session.trust_env = False

    def answer(sent: Sent) -> Reply:
        form = {**sent.form, "query": _without_dots(sent.form["query"])}
        passed = session.post(f"{url}{urlsplit(sent.path).path}", data=form, timeout=10)
        body = passed.json()
        for row in body.get("data", {}).get("result", []):
            row["metric"] = {
                _DOTTED.get(label, label): _DOTTED.get(value, value)
                for label, value in row["metric"].items()
            }
        return passed.status_code, {}, json.dumps(body)

    with answering(answer) as running, session:
        yield running


def _without_dots(query: str) -> str:
    """The query for the names without dots; one that is not quoted or not escaped finds nothing."""
    for plain, dotted in sorted(_DOTTED.items(), key=lambda pair: -len(pair[0])):
        if dotted in _LABELS:
            query = query.replace(f'"{dotted}"', plain)
        else:
            query = query.replace(f'__name__="{dotted}"', f'__name__="{plain}"')
            query = query.replace(dotted.replace(".", r"\\."), plain)
    return query
