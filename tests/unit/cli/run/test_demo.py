"""What the demo says before it begins."""

import sys

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.cli.run.demo import crowded
from rollout.cli.text import demo_summary


def test_a_machine_with_more_to_do_than_cores_is_named_before_it_is_blamed_on_a_version():
    assert crowded(2.0, 2) == ""
    assert crowded(13.2, 2).startswith("this machine is busy (load 13.2 on 2 cores)")


def test_an_install_without_the_demo_s_extra_names_it(monkeypatch, tmp_path):
    monkeypatch.setattr("rollout.cli.run.demo.find_spec", lambda _name: None)
    ended = CliRunner().invoke(surefoot, ["demo", "--folder", str(tmp_path / "new")])
    assert ended.exit_code == 2
    assert "pip install 'surefoot[demo]'" in ended.output
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("is_on_path", [True, False])
def test_the_last_line_names_the_command_as_it_can_be_typed(monkeypatch, tmp_path, is_on_path):
    program = tmp_path / "bin" / "surefoot"
    program.parent.mkdir()
    program.touch(mode=0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(program), "demo"])
    monkeypatch.setattr("shutil.which", lambda _name: str(program) if is_on_path else None)
    assert demo_summary.command_here() == ("surefoot" if is_on_path else "bin/surefoot")
