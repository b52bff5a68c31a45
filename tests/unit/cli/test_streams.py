"""Commands on streams that cannot hold what they print, or that nobody reads."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import arguments, commands, sound_files

ROOT = Path(__file__).parents[3]
RECORDED = ROOT / "notebooks" / "data" / "demo.jsonl"
PLAN = (ROOT / "manifests" / "examples" / "01-envoy-local.yaml").read_text(encoding="utf-8")
STREAMS = {
    "ascii": ({"PYTHONIOENCODING": "ascii"}, ""),
    "plain": ({"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, ""),
    "head": ({}, "| head -1"),
    "gone": ({}, "| true"),
    "full": ({}, "> /dev/full"),
    "no-output": ({}, ">&-"),
    "no-stderr": ({}, "2>&-"),
    "no-input": ({}, "<&-"),
}
# Nothing of these is begun here: their help is printed on the same streams.
HELP_ONLY = {"demo", "rehearse", "calibrate", "operate", "run"}


def surefoot(words: list[str], stream: str, folder: Path, **more: str) -> tuple[int, str]:
    """Run the command by a shell; return its own exit code and what it says on errors."""
    environment, redirection = STREAMS[stream]
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "PYTHONIO"))}
    variables |= environment | more | {"XDG_STATE_HOME": str(folder), "KUBECONFIG": "/none"}
    command = f'"$@" {redirection}; echo "code ${{PIPESTATUS[0]}}" >&3'
    arguments_ = ["bash", "-c", command, "bash", sys.executable, "-m", "rollout.cli", *words]
    read, write = os.pipe()
    with open(folder / "errors", "w+", encoding="utf-8", errors="replace") as errors:  # noqa: PTH123
        subprocess.run(
            ["bash", "-c", f'exec 3>&{write}; exec "$@"', "bash", *arguments_],
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            pass_fds=[write],
            cwd=ROOT,
            check=False,
        )
        os.close(write)
        errors.seek(0)
        said = errors.read()
    with os.fdopen(read) as codes:
        return int(codes.read().split()[-1]), said


@pytest.mark.parametrize("stream", STREAMS)
def test_no_stream_brings_a_traceback(stream, tmp_path):
    inputs = sound_files(tmp_path, PLAN, RECORDED)
    for path, command in commands():
        words = ["--help"] if path[0] in HELP_ONLY else arguments(command, inputs)
        code, errors = surefoot([*path, *words], stream, tmp_path)
        assert "Traceback" not in errors, (path, errors)
        assert "Exception ignored" not in errors, (path, errors)
        assert code in {0, 1, 2, 141}, (path, code, errors)


def test_a_full_disk_is_named(tmp_path):
    code, errors = surefoot(["log", "--journal", str(RECORDED)], "full", tmp_path)
    assert (code, "No space left on device" in errors) == (1, True)


def test_a_screen_is_drawn_in_plain_characters(tmp_path):
    words = [sys.executable, "-m", "rollout.cli", "watch", "--once", "--journal", str(RECORDED)]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "XDG_STATE_HOME": str(tmp_path)}
    done = subprocess.run(words, env=environment, capture_output=True, cwd=ROOT, check=True)
    assert b"####" in done.stdout
    assert b"\\u" not in done.stdout


def test_json_stays_json_where_the_stream_lacks_a_letter(tmp_path):
    script = (
        "import sys; from rollout.cli import streams; streams.prepare(); "
        "sys.stdout.write('[\"caf\\u00e9 \\U0001f986\"]')"
    )
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "XDG_STATE_HOME": str(tmp_path)}
    words = [sys.executable, "-c", script]
    done = subprocess.run(words, env=environment, capture_output=True, cwd=ROOT, check=True)
    assert json.loads(done.stdout) == ["caf\u00e9 \U0001f986"]


def test_control_c_ends_a_run_with_130(tmp_path):
    inputs = sound_files(tmp_path, PLAN, RECORDED)
    words = ["run", inputs.plan, "--journal", str(tmp_path / "journal.db")]
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-m", "rollout.cli", *words],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stderr is not None
        first = running.stderr.readline()
        while "problem" not in (line := running.stderr.readline()) and "blind" not in line and line:
            first += line
        running.send_signal(signal.SIGINT)
        rest = running.stderr.read()
    assert (running.returncode, "stopped" in rest) == (130, True), first + rest
