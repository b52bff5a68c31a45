"""Makes one HTML file of a report: no other file, no script, every value escaped."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from rollout.errors import InputError
from rollout.experiment.card import HEADINGS
from rollout.experiment.experiment import Experiment
from rollout.experiment.frame import MISSING
from rollout.experiment.plots import Plots
from rollout.experiment.report.document import ReportDocument, Row
from rollout.experiment.svg import to_themes
from rollout.experiment.tables.quality.people import DIFFERENCE
from rollout.experiment.tables.scorecard import count_looks

_TEMPLATE = "report.html"
CHARTS: Mapping[str, str] = {
    "share": "The canary's share of requests and labels, against the one its weight promises.",
    "timeline": "The canary's confirmed share of traffic, and every decision.",
    "rates": "Each version's share of bad units look by look, with each look's own interval.",
    "distributions": "How values lie in each version, and between which edges quantiles are.",
    "evidence": "Evidence of harm of each guardrail and together, against that of a rollback.",
    "safety": "Evidence of safety of each guardrail, against that of a promotion.",
    "intervals": "Each guardrail's difference with its interval and its margin, over time.",
    "segments": "Each segment's difference with its interval and its margin.",
    "goals": "Each goal's difference with its interval, at all looks at once.",
    "pairs": "Who won the pairs that a judge compared, over both orders and by order.",
    "quality": "What a judge and people call bad, by version, and both together.",
    "uplift": "Each difference with its two-sided interval and no margin.",
    "scorecard": "Each guardrail's last interval in multiples of what it allows.",
    "sensitivity": "Each result without one part of the looks, and with a longer warm-up.",
    "power": "The least harm that is found in half of all rollouts.",
}
"""The charts of a report, and what each shows, for those who cannot see it."""

_BY_GUARDRAIL = {"rates", "intervals"}
"""Charts with a panel for each guardrail, whose rows are all of one height."""

_PANELS_ON_A_PAGE, _ROWS_ON_A_PAGE = 5, 18

_OPTIONAL = {"segments", "goals", "pairs", "quality"}
"""Charts that are left out where their table is empty."""

_SHARES = {
    "first_won",
    "share",
    "to",
    "canary_share",
    "judge_share",
    "human_share",
    "coverage",
    "agreement",
    "stable_share",
    "difference",
    "low",
    "high",
    "change",
}
"""Columns of shares, written in per cent; those of differences in percentage points."""


def to_page(experiment: Experiment, document: ReportDocument) -> str:
    """Return the report as one HTML page; the same record gives the same bytes.

    Raises InputError where matplotlib or Jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError:
        raise InputError(MISSING.format("Jinja2").replace("tables", "reports")) from None
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    compared = document.tables["uplift"]
    asked = [name for name in CHARTS if name not in _OPTIONAL or document.tables[name]]
    charts = {name: _draw_parts(experiment, document, name) for name in asked}
    return environment.get_template(_TEMPLATE).render(
        report=document,
        headings=HEADINGS,
        charts=charts,
        captions=CHARTS,
        cell=_write_cell,
        plan=yaml.safe_dump(dict(document.plan), sort_keys=False, allow_unicode=True),
        looks=count_looks(document.replay.looks),
        events=[row for row in document.tables["timeline"] if row["event"] != "learned"],
        conditions=[
            *dict.fromkeys(
                filter(None, (row["note"] for row in compared if row["difference"] is not None))
            )
        ],
        changes=[row for row in document.tables["sensitivity"] if row["changes"]],
    )


def _draw_parts(
    experiment: Experiment, document: ReportDocument, name: str
) -> list[dict[str, str]]:
    """Return a chart as drawings that each fit on a printed page: some guardrails in each."""
    record = experiment.record
    guardrails = [guardrail.name for guardrail in record.state.plan.spec.guardrails]
    if name == "sensitivity":
        cases = len({row["case"] for row in document.tables[name]})
        size = max(_ROWS_ON_A_PAGE // max(cases, 1), 1)
        rows = [row for row in document.tables[name] if row["difference"] is not None]
        guardrails = [own for own in guardrails if any(row["guardrail"] == own for row in rows)]
    elif name == "distributions":
        guardrails = list(dict.fromkeys(row["guardrail"] for row in document.tables["quantiles"]))
        size = _PANELS_ON_A_PAGE
    else:
        size = _PANELS_ON_A_PAGE if name in _BY_GUARDRAIL else len(guardrails)
    if len(guardrails) <= size:
        return [_draw(experiment.plot, name)]
    parts = [guardrails[start : start + size] for start in range(0, len(guardrails), size)]
    return [_draw(Plots(record, frozenset(names)), name) for names in parts]


def _draw(plots: Plots, name: str) -> dict[str, str]:
    """Return a chart as addresses that hold the drawing itself, by theme."""
    return {
        theme: f"data:image/svg+xml;base64,{base64.b64encode(drawing).decode()}"
        for theme, drawing in to_themes(getattr(plots, name)).items()
    }


def _write_cell(row: Row, name: str) -> str:
    """Write one cell of a table for people."""
    value: Any = row[name]
    if value is None or value == "":
        return ""
    if name in _SHARES and _is_difference(row, name):
        return f"{value * 100:+.3g}\u00a0pp"
    if name in _SHARES:
        return f"{value * 100:.3g}\u00a0%"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _is_difference(row: Row, name: str) -> bool:
    """Return whether a cell is a difference of shares, or a bound of one: no relative change."""
    if row.get("version") == DIFFERENCE:
        return True
    return name == "difference" or (name in {"low", "high"} and "difference" in row)
