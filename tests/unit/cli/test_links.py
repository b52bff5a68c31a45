"""No option that names a file or a folder writes through a link."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.experiment.notebooks import copy_notebooks
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


def test_a_checkpoint_is_not_appended_through_a_link(tmp_path):
    victim, link, key = tmp_path / "victim", tmp_path / "link", tmp_path / "key"
    victim.write_text("kept")
    link.symlink_to(victim)
    call = ["checkpoint", "--key", str(key)]
    assert CliRunner().invoke(surefoot, [*call, "--new-key", "a"]).exit_code == 0
    call += ["--journal", str(RECORDED)]
    done = CliRunner().invoke(surefoot, [*call, "--to", str(link)])
    assert (done.exit_code, victim.read_text()) == (2, "kept")
    assert CliRunner().invoke(surefoot, [*call, "--to", str(tmp_path / "new")]).exit_code == 0


def test_no_notebook_is_copied_through_a_link(tmp_path):
    nowhere = tmp_path / "nowhere"
    folder = tmp_path / "notebooks"
    folder.mkdir()
    (first, *_), _ = copy_notebooks(tmp_path / "once")
    (folder / first).parent.mkdir(parents=True, exist_ok=True)
    (folder / first).symlink_to(nowhere)
    _, left = copy_notebooks(folder)
    assert first in left
    assert not nowhere.exists()
