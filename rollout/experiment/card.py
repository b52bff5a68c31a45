"""The card of an experiment: what came out, with the numbers, as text and as HTML."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass

from rollout.decide.text.experiment import describe_goals
from rollout.experiment.tables.scorecard import ScorecardRow, count_looks, scorecard
from rollout.explain.status import report
from rollout.plan.fields.units import duration, percent
from rollout.review.history import RecordedRollout

HEADINGS = ("guardrail", "verdict", "canary", "stable", "difference", "allowed", "the plan")
VERDICT_SHAPES = {"safe": "✓", "harmful": "✕", "undecided": "…", "blind": "?", "shown": "○"}
"""A shape for each verdict, so that none is told by its colour alone."""


_MOST_OTHERS = 5  # on a card
NO_OTHERS: Mapping[str, str] = {}


@dataclass(frozen=True)
class ExperimentCard:
    """What a card says; `cells` has a row of texts for each guardrail, under `HEADINGS`.

    `notes` say what is missing or in doubt, `source` where the numbers come from.
    """

    title: str
    outcome: str
    sentence: str
    cells: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    source: str


def summarise(
    record: RecordedRollout, others: Mapping[str, str] = NO_OTHERS, doubt: str = ""
) -> ExperimentCard:
    """Return the card of one rollout; `others` are those of the same name, with how they differ."""
    standing = report(record.rollout, record.state, record.ended_at)
    rows = [*scorecard(record)]
    notes = [f"{row.guardrail}: {row.note}" for row in rows if row.note]
    state = record.state
    notes += [f"goal {name}: {text}" for name, text in describe_goals(state).items()]
    if doubt:
        notes.insert(0, f"NOT VERIFIED: {doubt}")
    notes += _describe_others(others)
    first, last = record.entries[0], record.entries[-1]
    end = f"last hash {last.hash[:16]}" if last.hash else "of no journal, so none is sealed"
    lasted = duration(max(round(record.lasted), 0))
    return ExperimentCard(
        title=f"{standing.name}: {standing.service} from {standing.stable} to {standing.canary}",
        outcome=f"{standing.phase} after {lasted}, {count_looks(record.looks_count)}",
        sentence=standing.said or "nothing was decided yet",
        cells=tuple(map(_list_cells, rows)),
        notes=tuple(notes),
        source=(
            f"entries {first.seq:,} to {last.seq:,}, {end}, plan "
            f"{record.state.plan.digest[:16]}, false rollbacks at most {percent(record.alpha)}, "
            f"false promotions at most {percent(record.beta)}"
        ),
    )


def _describe_others(others: Mapping[str, str]) -> list[str]:
    """Describe the newest rollouts of the same name, of which nothing is in the numbers."""
    newest = [*others.items()][-_MOST_OTHERS:]
    notes = [f"not in these numbers: {own}, of the same name ({how})" for own, how in newest]
    rest = len(others) - len(newest)
    return [*notes, f"not in these numbers: {rest} older ones of the same name"] if rest else notes


def _list_cells(row: ScorecardRow) -> tuple[str, ...]:
    return (
        row.guardrail,
        f"{VERDICT_SHAPES[row.verdict]} {row.verdict}",
        _write_share(row.canary_share, row.canary_units),
        _write_share(row.stable_share, row.stable_units),
        _write_difference(row),
        "" if row.allowed is None else f"{_sign(row.allowed)} pp",
        f"{row.plan}: {row.what}",
    )


def _write_share(share: float | None, units: int) -> str:
    return f"{percent(float(f'{share:.3g}'))} of {units:,}" if share is not None else "no units"


def _write_difference(row: ScorecardRow) -> str:
    if row.difference is None:
        return "not enough"
    text = f"{_sign(row.difference)} pp"
    if row.low is not None and row.high is not None:
        text += f" ({_sign(row.low)} to {_sign(row.high)})"
    return text


def _sign(share: float) -> str:
    """Write a difference of shares in percentage points."""
    return f"{share * 100:+.2f}"


def to_text(card: ExperimentCard) -> str:
    """Return the card for a terminal."""
    table = [HEADINGS, *card.cells]
    widths = [max(len(row[column]) for row in table) for column in range(len(HEADINGS))]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in table]
    return "\n".join([card.title, card.outcome, card.sentence, "", *lines, "", *card.notes,
                      card.source])  # fmt: skip


def to_html(card: ExperimentCard) -> str:
    """Return the card for a notebook; its colours are those of the page around it."""
    head = "".join(f"<th style='text-align:left'>{html.escape(own)}</th>" for own in HEADINGS)
    rows = "".join(
        "<tr>" + "".join(f"<td style='text-align:left'>{html.escape(cell)}</td>" for cell in row)
        + "</tr>"
        for row in card.cells
    )  # fmt: skip
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in card.notes)
    return (
        f"<div><h4 style='margin:0'>{html.escape(card.title)}</h4>"
        f"<p style='margin:.3em 0'><b>{html.escape(card.outcome)}.</b> "
        f"{html.escape(card.sentence)}</p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        f"{f'<ul>{notes}</ul>' if notes else ''}"
        f"<p style='font-size:smaller;opacity:.75'>{html.escape(card.source)}</p></div>"
    )
