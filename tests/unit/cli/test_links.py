"""No option that names a file or a folder writes through a link."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot
from tests.support.commands import arguments, commands, keep_apart, kind_of, sound_files

ROOT = Path(__file__).parents[3]
RECORDED = ROOT / "notebooks" / "data" / "demo.jsonl"
PLAN = (ROOT / "manifests" / "examples" / "01-envoy-local.yaml").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def apart(monkeypatch, tmp_path):
    keep_apart(monkeypatch, tmp_path, "no demo in this test", "rollout.demo.stage.Stage.__enter__")


OPTIONS = [
    (path, command, str(parameter.name))
    for path, command in commands()
    for parameter in command.params
    if kind_of(parameter) == "output"
]


@pytest.mark.parametrize(
    ("path", "command", "option"), OPTIONS, ids=lambda value: str(value).replace("_", "-")
)
@pytest.mark.parametrize("suffix", [".svg", ".png", ".jsonl", ""])
def test_no_option_writes_through_a_link(path, command, option, suffix, tmp_path):
    inputs = sound_files(tmp_path, PLAN, RECORDED)
    victim, nowhere = tmp_path / "victim", tmp_path / "nowhere"
    victim.write_text("kept")
    for name, target in (("link", victim), ("dangling", nowhere)):
        link = tmp_path / f"{name}{suffix}"
        link.symlink_to(target)
        CliRunner().invoke(surefoot, [*path, *arguments(command, inputs, {option: link})])
        assert victim.read_text() == "kept"
        assert not nowhere.exists()
        assert link.is_symlink()


def test_the_options_that_write_are_among_them():
    names = {option for _, _, option in OPTIONS}
    assert names >= {"export", "svg", "picture", "folder"}
