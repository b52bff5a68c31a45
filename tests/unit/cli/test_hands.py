"""No command ends in a traceback, whatever file, name or journal a person hands it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.errors import ASK_AGAIN
from tests.support.commands import (
    Inputs,
    arguments,
    commands,
    first_entries,
    keep_apart,
    kind_of,
    sound_files,
)

ROOT = Path(__file__).parents[3]
RECORDED = ROOT / "notebooks" / "data" / "demo.jsonl"
PLAN = (ROOT / "manifests" / "examples" / "01-envoy-local.yaml").read_text(encoding="utf-8")
ALL = [*commands()]
CODES = {0, 1, 2, ASK_AGAIN, 130}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    return sound_files(folder, PLAN, first_entries(RECORDED, folder / "short.jsonl"))


@pytest.fixture(autouse=True)
def apart(monkeypatch, tmp_path):
    barred = (
        "demo.stage.Stage.__enter__",
        "rehearse.runs.rehearse",
        "wire.run.pacer",
        "page.serve.serve",
        "stories.draw.short_stories",  # hundreds; single ones are played
    )
    paths = [f"rollout.{path}" for path in (*barred, "wire.clock.SystemClock.sleep")]
    keep_apart(monkeypatch, tmp_path, "no demo, rehearsal or wait in this test", *paths)


def bad_plans(folder: Path) -> dict[str, Path]:
    contents = {
        "empty": b"",
        "latin-1": "service: caf\xe9".encode("latin-1"),
        "utf-16": PLAN.encode("utf-16"),
        "nul": b"a: \0",
        "broken": b"a: [1, 2",
        "tab": b"a:\n\t- b",
        "python-tag": b"!!python/object/apply:os.getcwd []",
        "deep": b"[\n" * 5_000,  # on one line each costs PyYAML a thousand steps
        "deeper-map": b"{a:\n " * 2_000,
        "alias-loop": b"a: &a [*a]",
        "keys": b"{1: 2, [a]: b, ? {c: d} : e}",
        "date": b"kind: 2024-13-45",
        "scalar": b"42",
        "list": b"- 1\n- 2",
        "binary": bytes(range(256)),
    }
    paths = {name: folder / f"{name}.yaml" for name in contents}
    for name, content in contents.items():
        paths[name].write_bytes(content)
    (folder / "loop.yaml").symlink_to("loop.yaml")
    outside = {
        "folder": folder,
        "loop": folder / "loop.yaml",
        "missing": folder / "none.yaml",
        "in-file": paths["list"] / "x",
    }
    return paths | outside | {"long": folder / ("x" * 300), "device": Path("/dev/null")}


def bad_journals(folder: Path) -> dict[str, str]:
    text, foreign, cut = folder / "text.db", folder / "foreign.db", folder / "cut.jsonl"
    text.write_text("not a database\n" * 100)
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE other (id INTEGER)")
    connection.close()
    truncated = folder / "truncated.db"
    truncated.write_bytes(foreign.read_bytes()[:5000])
    header = folder / "header.db"
    header.write_bytes(foreign.read_bytes()[:50])
    cut.write_bytes(RECORDED.read_bytes()[:50_000])
    latin = folder / "latin.jsonl"
    latin.write_bytes(b"\xe9\n")
    (folder / "folder.jsonl").mkdir()
    for name in ("loop.db", "loop.jsonl"):
        (folder / name).symlink_to(name)
    for name in ("empty.db", "empty.jsonl"):
        (folder / name).touch()
    (folder / "other.jsonl").write_text('{"seq": 1}\n')
    files = ["text.db", "foreign.db", "truncated.db", "header.db", "cut.jsonl", "latin.jsonl"]
    files += ["folder.jsonl", "empty.db", "empty.jsonl", "other.jsonl", "none.db", "none.jsonl"]
    files += ["loop.db", "loop.jsonl", "loop.db/in.db"]
    urls = ["postgresql://127.0.0.1:1/x?connect_timeout=1", "http://x", "sqlite://", "a://[", ""]
    urls += ["sqlite:////nowhere/at/all.db", str(folder), "/proc/none/j.db", "x" * 300, "/dev/null"]
    return {**{name: str(folder / name) for name in files}, **{url: url for url in urls}}


NAMES = {"unknown": "nobody", "empty": "", "blank": " ", "emoji": "\U0001f986", "lone": "a\udcff"}
NUMBERS = {"none": "0", "negative": "-1", "beyond": "9999", "huge": str(10**30)}


def outputs(folder: Path) -> dict[str, str]:
    (folder / "a-file").touch()
    (folder / "loop.svg").symlink_to("loop.svg")
    return {
        "folder": str(folder),
        "nowhere": str(folder / "nowhere" / "x.svg"),
        "in-file": str(folder / "a-file" / "x.svg"),
        "in-file-jsonl": str(folder / "a-file" / "x.jsonl"),
        "loop": str(folder / "loop.svg"),
        "full": "/dev/full",
        "kernel": "/proc/x.svg",
        "long": str(folder / ("x" * 300 + ".svg")),
    }


def run(path: tuple[str, ...], words: list[str]) -> None:
    """Run one command, and check how it ends."""
    runner = CliRunner()
    result = runner.invoke(surefoot, [*path, *words])
    case = f"surefoot {' '.join([*path, *words])[:200]!r}"
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise AssertionError(f"{case} ended in a traceback") from result.exception
    assert result.exit_code in CODES, f"{case}: exit code {result.exit_code}"
    assert result.exit_code in (0, 130) or result.output.strip(), f"{case} says nothing"


def values(kind: str, folder: Path) -> dict[str, str]:
    if kind == "plan":
        return {name: str(path) for name, path in bad_plans(folder).items()}
    if kind == "journal":
        return bad_journals(folder)
    return {"name": NAMES, "text": NAMES, "number": NUMBERS}.get(kind) or outputs(folder)


@pytest.mark.parametrize(("path", "command"), ALL, ids=[" ".join(path) for path, _ in ALL])
def test_whatever_is_handed_over_ends_in_one_clear_message(path, command, inputs, tmp_path):
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.is_flag:
            continue
        if isinstance(parameter.type, click.Choice):
            continue
        for number, value in enumerate(values(kind_of(parameter), fresh(tmp_path)).values()):
            base = Inputs(**{**vars(inputs), "output": str(tmp_path / f"out-{number}")})
            run(path, arguments(command, base, {str(parameter.name): value}))


def fresh(folder: Path) -> Path:
    new = folder / str(sum(1 for _ in folder.iterdir()))
    new.mkdir()
    return new


def test_every_command_is_walked():
    names = {path[0] for path, _ in ALL}
    assert names == set(surefoot.list_commands(click.Context(surefoot)))
