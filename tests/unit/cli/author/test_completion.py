"""A shell completes commands and options with what `surefoot completion` prints."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot

ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("surefoot che", "check"),
        ("surefoot log --act", "--action"),
        ("surefoot log --action roll", "roll-back"),
    ],
)
def test_bash_completes_with_the_printed_script(words, completed):
    script = CliRunner().invoke(surefoot, ["completion", "bash"]).stdout
    source = "complete() { :; }; compopt() { :; }\n"  # parts of an interactive shell
    word = words.split()[-1]
    asked = f"COMP_WORDS=({words}); COMP_CWORD={len(words.split()) - 1}; "
    call = f'{asked} _surefoot_completion "$PROGRAM" {word} ""; echo "${{COMPREPLY[@]}}"'
    program = Path(sys.executable).with_name("surefoot")
    done = subprocess.run(
        ["bash", "-c", f"{source}{script}\n{call}"],
        capture_output=True,
        text=True,
        check=True,
        env={"PROGRAM": str(program), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
    )
    assert completed in done.stdout.split()


@pytest.mark.parametrize("shell", ["bash", "fish", "zsh"])
def test_it_is_installed_where_the_shell_looks(shell, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    done = CliRunner().invoke(surefoot, ["completion", shell, "--install"])
    assert done.exit_code == 0
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert "_SUREFOOT_COMPLETE" in file.read_text()
    assert str(file) in done.stdout


@pytest.mark.parametrize("shell", ["bash", "fish", "zsh"])
def test_it_is_not_installed_through_a_link(shell, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    call = ["completion", shell, "--install"]
    CliRunner().invoke(surefoot, call)
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    victim = tmp_path / "victim"
    victim.write_text("kept")
    file.unlink()
    file.symlink_to(victim)
    assert CliRunner().invoke(surefoot, call).exit_code == 2
    assert victim.read_text() == "kept"


@pytest.mark.parametrize(("shell", "is_named"), [("bash", True), ("fish", False)])
def test_the_package_that_bash_needs_is_named(shell, is_named, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    done = CliRunner().invoke(surefoot, ["completion", shell, "--install"])
    assert ("the package bash-completion" in done.stdout) is is_named


def test_zsh_is_told_the_line_that_it_needs(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "my data"))
    for _ in range(2):  # the second time it is replaced
        done = CliRunner().invoke(surefoot, ["completion", "zsh", "--install"])
        assert done.exit_code == 0
        assert f"fpath+=('{tmp_path}/my data/zsh/site-functions')" in done.stdout
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert file.read_text().startswith("#compdef surefoot")


def test_start_up_files_are_left_as_they_are(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", "a/relative/folder")
    for name in (".bashrc", ".zshrc"):
        (tmp_path / name).write_text("# mine\n")
    for shell in ("bash", "zsh", "fish"):
        done = CliRunner().invoke(surefoot, ["completion", shell, "--install"])
        assert (done.exit_code, str(tmp_path / ".local/share") in done.stdout) == (0, True)
    assert {(tmp_path / name).read_text() for name in (".bashrc", ".zshrc")} == {"# mine\n"}
