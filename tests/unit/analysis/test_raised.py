"""Docstrings name every error that may come out, raised there or by what is called within."""

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from tests.unit.analysis.test_docstrings import FOLDER, words

Key = tuple[str, str]  # module, and function or Class.method
TREES = {path.stem: ast.parse(path.read_text()) for path in sorted(FOLDER.glob("*.py"))}


def found() -> Iterator[tuple[Key, ast.FunctionDef]]:
    for module, tree in TREES.items():
        for node in tree.body:
            if isinstance(node, ast.FunctionDef):
                yield (module, node.name), node
            for inner in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(inner, ast.FunctionDef):
                    yield (module, f"{getattr(node, 'name', '')}.{inner.name}"), inner


FUNCTIONS = dict(found())


def imported(module: str) -> dict[str, Key]:
    """What a name of this module stands for: another module (with no function) or its function."""
    known: dict[str, Key] = {}
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("analysis"):
            of = (node.module or "").removeprefix("analysis").lstrip(".")
            known |= {a.asname or a.name: (of, a.name) if of else (a.name, "") for a in node.names}
    return known


@cache
def called(key: Key) -> frozenset[Key]:
    """Functions and classes of analysis/ that are named within a function."""
    return frozenset(_named(key))


def checked(key: Key) -> Key:
    """Where a class, if it is one, refuses what it is made of."""
    return key[0], f"{key[1]}.__post_init__"


def _named(key: Key) -> Iterator[Key]:
    module, name = key
    known = imported(module)
    for node in (n for line in FUNCTIONS[key].body for n in ast.walk(line)):  # no annotations
        if isinstance(node, ast.Name):
            yield known.get(node.id, (module, node.id))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id == "self":
                yield module, f"{name.partition('.')[0]}.{node.attr}"
            elif node.value.id in known:
                yield known[node.value.id][0], node.attr


def raised(key: Key, within: frozenset[Key] = frozenset()) -> set[str]:
    """Names of the errors that may come out of a function."""
    key = key if key in FUNCTIONS else checked(key)
    if key not in FUNCTIONS or key in within:
        return set()
    out: set[str] = set()
    caught: set[str] = set()
    for node in ast.walk(FUNCTIONS[key]):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            out.add(ast.unparse(node.exc.func))
        if isinstance(node, ast.ExceptHandler) and node.type:
            caught |= set(re.findall(r"\w+", ast.unparse(node.type)))
    deeper = [raised(inner, within | {key}) - caught for inner in called(key)]
    return out.union(*deeper)


def test_errors_of_called_functions_are_found():
    assert raised(("compress", "compress")) == {"EvidenceError"}
    assert raised(("evidence", "Evidence")) == {"EvidenceError"}
    assert raised(("shape", "learn")) == set()  # caught, and said by its value


@pytest.mark.parametrize(
    "key", [k for k in FUNCTIONS if not re.search(r"(^|\.)_", k[1])], ids=".".join
)
def test_every_error_that_may_come_out_is_named(key):
    assert {name for name in raised(key) if name not in words(FUNCTIONS[key])} == set()
