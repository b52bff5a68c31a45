"""Commands on streams that cannot hold what they print, or that nobody reads."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rollout.errors import ASK_AGAIN
from tests.support.commands import arguments, commands, first_entries, sound_files

ROOT = Path(__file__).parents[3]
RECORDED = ROOT / "notebooks" / "data" / "demo.jsonl"
PLAN = (ROOT / "manifests" / "examples" / "01-envoy-local.yaml").read_text(encoding="utf-8")
STREAMS = ("ascii", "gone", "full", "no-output", "no-stderr", "no-input")
# Nothing of these is begun here: their help is printed on the same streams.
HELP_ONLY = {"demo", "rehearse", "backtest", "calibrate", "operate", "run", "serve", "wait"}


def end_all(cases: list[tuple[str, list[str]]], folder: Path) -> list[tuple[int, str]]:
    """Run every command on its stream; how each ended, and its errors."""
    asked, results = folder / "cases.json", folder / "results.json"
    asked.write_text(json.dumps(cases), encoding="utf-8")
    module = [sys.executable, "-m", "tests.support.forked_commands", str(asked), str(results)]
    environment = {
        **os.environ,
        "XDG_STATE_HOME": str(folder),
        "KUBECONFIG": "/none",
        "PYTHONPATH": str(ROOT),
    }
    subprocess.run(module, env=environment, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return [(code, errors) for code, errors in json.loads(results.read_text(encoding="utf-8"))]


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """How every command ended on every stream, and with which errors: (words, code, errors)."""
    folder = tmp_path_factory.mktemp("streams")
    inputs = sound_files(folder, PLAN, first_entries(RECORDED, folder / "short.jsonl"))
    cases = [
        (stream, [*path, *(["--help"] if path[0] in HELP_ONLY else arguments(command, inputs))])
        for stream in STREAMS
        for path, command in commands()
    ]
    ends: dict[str, list[tuple[list[str], int, str]]] = {stream: [] for stream in STREAMS}
    for (stream, words), (code, errors) in zip(cases, end_all(cases, folder), strict=True):
        ends[stream].append((words, code, errors))
    return ends


@pytest.mark.parametrize("stream", STREAMS)
def test_no_stream_brings_a_traceback(stream, ended):
    assert len(ended[stream]) == len([*commands()])
    for words, code, errors in ended[stream]:
        assert "Traceback" not in errors, (words, errors)
        assert "Exception ignored" not in errors, (words, errors)
        assert code in {0, 1, 2, ASK_AGAIN, 141}, (words, code, errors)


def test_a_full_disk_is_named(tmp_path):
    words = ["log", "--journal", str(first_entries(RECORDED, tmp_path / "short.jsonl"))]
    ((code, errors),) = end_all([("full", words)], tmp_path)
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
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline()  # the first decision: it runs
        running.send_signal(signal.SIGINT)
        running.stdout.read()
    assert running.returncode == 130


def test_whatever_a_command_prints_with_a_reader_that_has_left_is_told_alike(ended):
    """Screens too: the library that draws them would call it a failure."""
    codes = {" ".join(words): code for words, code, _ in ended["gone"]}
    whole = {" ".join(words): code for words, code, _ in ended["ascii"]}
    differ = {words: code for words, code in codes.items() if code not in {141, whole[words]}}
    assert differ == {}
    assert {code for words, code in codes.items() if words.startswith(("status", "watch"))} == {141}
