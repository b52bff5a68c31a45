"""All that an experiment offers, gone through: what no table, chart, card or report may have."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from matplotlib.text import Text

from rollout.experiment.experiment import Experiment
from rollout.experiment.report.document import compose
from rollout.experiment.report.render import to_page
from tests.support.experiments import TABLES

RUNS = 3
"""Splits of an A/A test: enough to draw one."""

_UNITS = "looks|units|requests|pairs|labels|answers|decisions|entries|splits"
_UNFIT = re.compile(
    rf"\b(nan|None|inf)\b|<NA>|(?<![\w.])-0(\.0+)?(?![\d.])|(?<!of )\b1 ({_UNITS})\b"
)
_TAGS = re.compile(r"<(style|pre)\b.*?</\1>|<[^>]*>", re.DOTALL)


def list_flaws(exp: Experiment) -> list[str]:
    """List what is no number, has a signless or wordless gap, or counts one as many.

    Reports are written as they are drawn: leave charts out of them where time matters.
    """
    return [*_list_of_tables(exp), *_list_of_charts(exp), *_list_of_pages(exp)]


def _list_of_tables(exp: Experiment) -> Iterator[str]:
    for name in dict.fromkeys((*TABLES, "aa")):
        frame = exp.aa(RUNS) if name == "aa" else getattr(exp, name)()
        for row in frame.to_dict("records"):
            for column, cell in row.items():
                if _is_unfit(cell):
                    yield f"{name}, {column}: {cell!r}"


def _is_unfit(cell: Any) -> bool:
    if isinstance(cell, float):
        return math.isnan(cell) or (cell == 0 and math.copysign(1, cell) < 0)
    return isinstance(cell, str) and _UNFIT.search(cell) is not None


def _list_of_charts(exp: Experiment) -> Iterator[str]:
    for name in dict.fromkeys((*TABLES, "aa", "safety")):
        if name != "quantiles":  # drawn with the distributions
            figure = exp.plot.aa(RUNS) if name == "aa" else getattr(exp.plot, name)()
            assert figure.axes
            for text in (own.get_text() for own in figure.findobj(Text)):
                if _UNFIT.search(text) and re.search("[a-z]", text):  # no number of an axis
                    yield f"chart of {name}: {text}"


def _list_of_pages(exp: Experiment) -> Iterator[str]:
    page = to_page(exp, compose(exp))
    for name, own in (("card", repr(exp)), ("notebook", exp._repr_html_()), ("report", page)):
        for line in _TAGS.sub("\n", own).splitlines():
            if _UNFIT.search(line):
                yield f"{name}: {line.strip()}"
