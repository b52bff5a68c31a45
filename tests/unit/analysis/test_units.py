"""Every number that goes into or out of analysis/ has a unit: by its name, or by its docstring."""

import ast
import re

import pytest

import analysis
from tests.unit.analysis.test_docstrings import FOLDER, functions, returned, words

DRAWN = {"canvas", "characteristics", "charts"}
NUMBER = re.compile(r"\b(float|int|Array|ArrayLike|NDArray|ndarray)\b")
UNIT = re.compile(
    r"\b(counts?|units?|requests|exposures|pods|looks|ticks|times?|bounds?|differences?|shares?|"
    r"logs?|logarithms|log-capital|nats|KL|weights|chance|variances?|precision|probits?|ratios?|"
    r"exponents?|boundaries|edges|badness|indices|values?)\b",
    re.IGNORECASE,
)
NAMES = {
    name
    for line in re.findall(r"^    (.+?):", analysis.__doc__ or "", re.MULTILINE)
    for name in line.split(", ")
}
FUNCTIONS = [
    pytest.param(function, id=f"{path.stem}.{name}")
    for path in sorted(FOLDER.glob("*.py"))
    if path.stem not in DRAWN
    for name, function in functions(ast.parse(path.read_text()))
]


def numbers_in(function: ast.FunctionDef) -> list[str]:
    every = (*function.args.args, *function.args.kwonlyargs)
    return [a.arg for a in every if a.annotation and NUMBER.search(ast.unparse(a.annotation))]


def test_the_page_of_names_is_read():
    assert {"e_c", "x_s", "rho", "alpha", "logs", "cuts", "ticks"} <= NAMES


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_number_that_goes_in_has_a_unit(function):
    said = words(function)
    for name in numbers_in(function):
        assert name in NAMES or re.search(rf"\b{name}\b", said), f"of what is `{name}`?"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_number_that_comes_out_has_a_unit(function):
    if NUMBER.search(returned(function)):
        first = words(function).split("\n\n")[0]
        assert UNIT.search(first) or "`" in first, "in which unit?"
