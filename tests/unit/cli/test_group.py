"""The group: lazy commands, help that teaches, and ends that scripts can rely on."""

import subprocess
import sys
import types
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from rollout import __version__
from rollout.cli import COMMANDS, surefoot
from rollout.cli.group import CommandEntry, LazyGroup
from rollout.errors import InputError, JournalError, Mistake, PlanError

RECORDED = Path(__file__).parents[3] / "notebooks" / "data" / "demo.jsonl"


def group_with(monkeypatch, action):
    module = types.ModuleType("stand_in")
    module.command = click.command()(action)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "stand_in", module)
    return LazyGroup("surefoot", entries={"act": CommandEntry("stand_in:command", "Act.")})


def end(monkeypatch, error):
    def action():
        raise error

    return CliRunner().invoke(group_with(monkeypatch, action), ["act"])


@pytest.mark.parametrize(
    ("error", "code"), [(InputError("no such rollout"), 2), (JournalError("torn"), 1)]
)
def test_expected_errors_are_one_line_and_an_exit_code(monkeypatch, error, code):
    done = end(monkeypatch, error)
    assert (done.exit_code, done.stderr, done.stdout) == (code, f"surefoot: {error}\n", "")


def test_mistakes_in_plans_are_shown_with_their_lines(monkeypatch, tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text("kind: Plan\n")
    done = end(monkeypatch, PlanError([Mistake(str(path), 1, 7, "P006", "not this")]))
    assert done.exit_code == 2
    assert done.stderr == f"{path}:1:7 P006 not this\n  |\n1 | kind: Plan\n  |       ^^^^\n\n"


def test_a_file_that_is_gone_still_has_its_mistakes(monkeypatch):
    done = end(monkeypatch, PlanError([Mistake("gone.yaml", 1, 7, "P006", "not this")]))
    assert done.stderr == "gone.yaml:1:7 P006 not this\n"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_an_interrupt_ends_with_130(monkeypatch, error):
    assert end(monkeypatch, error).exit_code == 130


def test_an_unexpected_error_keeps_its_traceback(monkeypatch):
    assert isinstance(end(monkeypatch, ZeroDivisionError()).exception, ZeroDivisionError)


def test_exit_codes_of_commands_pass(monkeypatch):
    group = group_with(monkeypatch, lambda: sys.exit(1))
    assert CliRunner().invoke(group, ["act"]).exit_code == 1


def test_a_misspelt_command_is_guessed():
    done = CliRunner().invoke(surefoot, ["chek"])
    assert done.exit_code == 2
    assert "No such command 'chek'. Did you mean 'check'?" in done.output
    assert "Did you mean" not in CliRunner().invoke(surefoot, ["zzzzz"]).output


def test_help_lists_every_command_in_order_without_importing_any():
    program = (
        "import sys; from rollout.cli import surefoot\n"
        "try: surefoot(['--help'])\n"
        "except SystemExit: print(*[m for m in sys.modules if m.startswith('rollout.')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    *text, modules = done.stdout.splitlines()
    listed = [line.split()[0] for line in text[text.index("Commands:") + 1 :] if line[2:3].strip()]
    assert listed[: len(COMMANDS)] == [*COMMANDS]
    assert {*modules.split()} == {
        "rollout.cli",
        "rollout.cli.group",
        "rollout.cli.streams",
        "rollout.errors",
        "rollout.redact",
    }


def test_version():
    done = CliRunner().invoke(surefoot, ["--version"])
    assert done.output == f"surefoot, version {__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name):
    done = CliRunner().invoke(surefoot, [name, "--help"])
    assert done.exit_code == 0, done.exception
    assert "Example" in done.output
    assert f"surefoot {name}" in done.output


def test_a_package_named_analysis_where_a_user_stands_is_not_taken_for_ours(tmp_path):
    (tmp_path / "analysis").mkdir()
    (tmp_path / "analysis" / "__init__.py").touch()
    words = [sys.executable, "-m", "rollout.cli", "status", "--journal", str(RECORDED)]
    ended = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
