"""Names keep to the rules of CONTRIBUTING: no empty word as a variable, one class for one name."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("analysis", "benchmarks", "rollout", "tests")
EMPTY = {
    *("said", "told", "found", "seen", "shown", "made", "kept"),
    *("each", "one", "known", "place", "part"),
}
# Fields that are recorded or printed as JSON keep their names: renaming them would break readers.
RECORDED = {
    ("rollout/decide/record/route_facts.py", "seen"),
    ("rollout/explain/status.py", "said"),
    ("rollout/explain/status.py", "shown"),
    ("rollout/doctor/finding.py", "said"),
}


def files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


@cache
def nodes(path: Path) -> list[ast.AST]:
    """Every node of a file's syntax tree."""
    return [*ast.walk(ast.parse(path.read_text()))]


def empty_names(path: Path) -> Iterator[str]:
    """Variables, parameters and fields that say nothing of what they hold."""
    for node in nodes(path):
        names = {}
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names = {node.id: node.lineno}
        elif isinstance(node, ast.arg):
            names = {node.arg: node.lineno}
        for name, line in names.items():
            where = path.relative_to(ROOT).as_posix()
            if name in EMPTY and (where, name) not in RECORDED:
                yield f"{where}:{line}: {name}"


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_variable_is_an_empty_word(folder):
    assert [name for path in files(folder) for name in empty_names(path)] == []


def test_one_class_name_is_one_class():
    classes = defaultdict(list)
    for path in files(*FOLDERS):
        for node in nodes(path):
            if isinstance(node, ast.ClassDef):
                classes[node.name].append(path.relative_to(ROOT).as_posix())
    assert {name: paths for name, paths in classes.items() if len(paths) > 1} == {}


def test_no_test_module_imports_another():
    """What tests share is in tests/support, or beside them in a module that holds no test."""
    imports = [
        f"{path.relative_to(ROOT)}: {node.module}"
        for path in files("tests")
        for node in nodes(path)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tests.")
        if (node.module or "").rpartition(".")[2].startswith("test_")
    ]
    assert imports == []


def test_no_folder_holds_more_files_than_a_reader_keeps_in_mind():
    folders = Counter(path.parent for package in ("rollout", "analysis") for path in files(package))
    assert {str(folder): n for folder, n in folders.items() if n > 15} == {}
