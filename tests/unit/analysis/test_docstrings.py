"""What the docstrings of analysis/ promise: shapes, errors, and where each formula comes from."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "analysis"

# What draws, counts or carries: no formula of it leads to a verdict.
PLAIN = {
    "canvas", "characteristics", "charts", "compress", "counters", "evidence", "native", "past",
    "draws", "pods", "readout", "shape_worlds", "worlds",
}  # fmt: skip

# What only turns values round, checks them, or is before all data.
TRIVIAL = {"boundaries", "checked", "column", "edge", "floats", "oriented", "row", "start"}

ARRAY = re.compile(r"\b(ArrayLike|Array|NDArray|ndarray)\b")
SHAPE = re.compile(r"\((\.\.\.|\*?\w+)(, ?[\w.]+)*,?\)")  # (...), (K,), (rollouts, looks)
NUMBERS = re.compile(r"\b(Array|float|Moments|Dispersion|Judgement)\b")
ORIGIN = re.compile(r"\b(Source|Derived here): ")
PLACE = re.compile(
    r"\b(section|theorem|lemma|proposition|equation|table|chapter|specification)\b|\d-\d"
)
ARXIV = re.compile(r"arXiv (\d{4}\.\d{5})(v\d+)?")
POINTER = re.compile(r"`(?:(\w+)\.)?(\w+)`")

Function = tuple[str, ast.FunctionDef]


def modules() -> dict[str, ast.Module]:
    """All but a fleet's: their classes say the shapes, and laws hold them to the others."""
    paths = [path for path in sorted(FOLDER.glob("*.py")) if not path.stem.startswith("fleet")]
    return {path.stem: ast.parse(path.read_text()) for path in paths}


def functions(module: ast.Module) -> Iterator[Function]:
    """Public functions and methods, with their names."""
    for node in module.body:
        inside = node.body if isinstance(node, ast.ClassDef) and node.name[0] != "_" else [node]
        for one in inside:
            if isinstance(one, ast.FunctionDef) and one.name[0] != "_":
                yield (one.name if one is node else f"{getattr(node, 'name', '')}.{one.name}"), one


EVERY = [
    pytest.param(module, function, id=f"{module}.{name}")
    for module, tree in modules().items()
    for name, function in functions(tree)
]


def words(node: ast.FunctionDef | ast.ClassDef) -> str:
    return ast.get_docstring(node) or ""


def asked(function: ast.FunctionDef) -> str:
    every = [one.annotation for one in (*function.args.args, *function.args.kwonlyargs)]
    return " ".join(ast.unparse(one) for one in every if one)


def returned(function: ast.FunctionDef) -> str:
    return ast.unparse(function.returns) if function.returns else ""


def test_every_public_class_says_what_it_is():
    classes = [
        node
        for tree in modules().values()
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name[0] != "_"
    ]
    assert len(classes) > 30
    assert [one.name for one in classes if not words(one)] == []


@pytest.mark.parametrize(("module", "function"), EVERY)
def test_shapes_are_said_of_arrays_and_errors_of_what_raises_them(module, function):
    said = words(function)
    assert said, "no words"
    if ARRAY.search(asked(function) + " " + returned(function)):
        assert SHAPE.search(said), "an array without a shape"
    for node in ast.walk(function):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            assert ast.unparse(node.exc.func) in said, "an error that is not named"


def origins() -> dict[tuple[str, str], str]:
    return {
        (module, name): words(function)
        for module, tree in modules().items()
        for name, function in functions(tree)
    }


def has_origin(module: str, name: str, known: dict[tuple[str, str], str], depth: int = 4) -> bool:
    """Whether a docstring names its source, or a function of ours that names its own."""
    said = known.get((module, name), "")
    if ORIGIN.search(said):
        return True
    named = [(of or module, what) for of, what in POINTER.findall(said)]
    named += [(module, f"{of}.{what}") for of, what in POINTER.findall(said) if of]
    return depth > 0 and any(has_origin(of, what, known, depth - 1) for of, what in named)


def leads_to_a_verdict(module: str, function: ast.FunctionDef) -> bool:
    counted = module not in PLAIN and function.name not in TRIVIAL
    return counted and bool(NUMBERS.search(returned(function)))


@pytest.mark.parametrize(
    ("module", "name"),
    [
        pytest.param(module, name, id=f"{module}.{name}")
        for module, tree in modules().items()
        for name, function in functions(tree)
        if leads_to_a_verdict(module, function)
    ],
)
def test_every_number_that_leads_to_a_verdict_has_a_source_or_a_derivation(module, name):
    assert has_origin(module, name, origins())


def test_a_source_says_where_in_it_and_which_version():
    sources = [
        (key, part)
        for key, said in origins().items()
        for part in re.findall(r"Source: ((?:.+\n?)+?)(?:\n|$)", said)
    ]
    assert len(sources) > 7
    for key, part in sources:
        text = " ".join(part.split())
        assert PLACE.search(text), f"{key}: where in it?"
        assert re.search(r"\b(1[89]|20)\d\d\b", text), f"{key}: of which year?"
        for number, version in ARXIV.findall(text):
            assert version, f"{key}: which version of {number}?"
