"""Every formula of analysis/ that leads to a verdict says where it comes from."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "analysis"
# Rooms and modules that draw, count or carry: no formula of theirs leads to a verdict.
PLAIN = {"charts", "counting", "readout", "fleet", "fleet_shapes"}
# Functions that only turn values round, check them, or come before all data.
TRIVIAL = {
    "boundaries",
    "checked",
    "column",
    "dispersion",
    "edge",
    "floats",
    "oriented",
    "row",
    "start",
}
NUMBERS = re.compile(r"\b(Array|float|Moments|Dispersion|Judgement)\b")
ORIGIN = re.compile(r"\b(Source|Derived here): ")
POINTER = re.compile(r"`(?:(\w+)\.)?(\w+)`")

Key = tuple[str, str]


def functions(module: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Public functions and methods, with their names."""
    for node in module.body:
        members = node.body if isinstance(node, ast.ClassDef) and node.name[0] != "_" else [node]
        for member in members:
            if isinstance(member, ast.FunctionDef) and member.name[0] != "_":
                owner = "" if member is node else f"{getattr(node, 'name', '')}."
                yield owner + member.name, member


FUNCTIONS = {
    (path.stem, name): function
    for path in sorted(FOLDER.rglob("*.py"))
    if not PLAIN & {path.stem, *path.relative_to(FOLDER).parts}
    for name, function in functions(ast.parse(path.read_text()))
}
FORMULAS = [
    key
    for key, function in FUNCTIONS.items()
    if function.name not in TRIVIAL and function.returns
    if NUMBERS.search(ast.unparse(function.returns))
]


def has_origin(key: Key, depth: int = 4) -> bool:
    """Whether a docstring names its source, or a function of ours that names its own."""
    text = ast.get_docstring(FUNCTIONS[key]) or "" if key in FUNCTIONS else ""
    if ORIGIN.search(text):
        return True
    pointers = POINTER.findall(text)
    targets = [(owner or key[0], name) for owner, name in pointers]
    targets += [(key[0], f"{owner}.{name}") for owner, name in pointers if owner]
    targets += [function for function in FUNCTIONS for _, name in pointers if function[1] == name]
    return depth > 0 and any(has_origin(target, depth - 1) for target in targets)


@pytest.mark.parametrize("key", FORMULAS, ids=".".join)
def test_every_formula_has_a_source_or_a_derivation(key):
    assert has_origin(key)
