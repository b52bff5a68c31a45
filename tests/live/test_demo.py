"""`surefoot demo` whole, and interrupted: no process is left behind, whenever and however."""

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from rollout.decide.record.facts import Decided
from rollout.decide.record.route_facts import Confirmed
from tests.live.pipeline import ROOT, surefoot, until
from tests.live.record import Record

pytestmark = [pytest.mark.live, pytest.mark.apart, pytest.mark.timeout(360)]
MARK = "SUREFOOT_TEST_MARK"
VERSIONS = {"v1", "v2", "v3"}


def family(folder):
    """Process ids of the demo and of all that it started, by a mark that children inherit."""
    mark, pids = f"{MARK}={folder}".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            marked = mark in (process / "environ").read_bytes().split(b"\0")
            if marked and not (process / "stat").read_text().rpartition(")")[2].startswith(" Z"):
                pids.append(int(process.name))
        except OSError:
            continue  # it ended while we looked, or is not ours
    return pids


@contextmanager
def demo(folder, *options):
    """The demo as a process whose output goes to `folder`.txt."""
    command = [sys.executable, "-m", "rollout.cli", "demo", "--plain", "--folder", str(folder)]
    with folder.with_suffix(".txt").open("wb") as out:
        started = subprocess.Popen(
            [*command, *options],
            cwd=ROOT,
            env={**os.environ, MARK: str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield started
    finally:
        for pid in (started.pid, *family(folder)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        started.wait()


@pytest.mark.parametrize("servers", [1, 2, 3, 5])
def test_ctrl_c_while_starting_leaves_no_process(tmp_path, servers):
    folder = tmp_path / "demo"
    with demo(folder) as started:
        until(lambda: len(family(folder)) > servers, f"{servers} servers")
        interrupt(started, folder, signal.SIGINT, 130)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 130), (signal.SIGKILL, -9)], ids=["SIGTERM", "SIGKILL"]
)
def test_a_signal_in_mid_rollout_leaves_no_process(tmp_path, number, code):
    folder = tmp_path / "demo"
    with demo(folder) as started:
        record = Record(folder / "journal.db")
        until(lambda: record.confirmed(5), "traffic on the canary")
        assert len(family(folder)) == 7  # Prometheus, Envoy, judge, two versions, load, controller
        interrupt(started, folder, number, code)
    assert record.replays()


def interrupt(started, folder, number, code):
    started.send_signal(number)
    assert started.wait(20) == code
    until(lambda: not family(folder), "the end of every process")
    assert "Traceback" not in folder.with_suffix(".txt").read_text()


@pytest.mark.parametrize(
    ("options", "most"),
    [((), 2000), (("--bad", "crash", "--seed", "7"), 400)],
    ids=["all", "crash"],
)
def test_the_whole_demo_promotes_the_good_and_rolls_back_the_bad(tmp_path, options, most):
    folder = tmp_path / "demo"
    with demo(folder, *options) as started:
        code = started.wait(300)
        output = folder.with_suffix(".txt").read_text()
        assert family(folder) == []
    assert code == 0, output
    record = Record(folder / "journal.db")
    ends = [fact for fact in record.facts(Decided) if fact.action in {"promote", "roll back"}]
    assert [fact.action for fact in ends] == ["promote", "roll back"]
    bad = [fact for fact in record.facts(Confirmed) if fact.rollout == ends[-1].rollout]
    assert bad[-1].split.canary == 0
    outcomes = [row[:3] for row in rows(output) if "->" in row[0]]
    assert [(row[0], row[1]) for row in outcomes] == [
        ("v1 -> v2", "promoted"),
        ("v2 -> v3", "rolled back"),
    ]
    assert all(re.fullmatch(r"\d+ s", row[2]) for row in outcomes)
    assert f"journal  {record.path}" in output
    reports = sorted(path.name for path in folder.glob("report-*.html"))
    assert reports == [f"report-discharge-summarizer-{own}.html" for own in ("v2", "v3")]
    assert all(f"report   {folder / name}" in output for name in reports)
    costs = {row[0]: int(row[1].replace(",", "")) for row in rows(output) if row[0] in VERSIONS}
    heard = answered(folder / "load.json")
    assert set(costs) == VERSIONS
    assert costs["v3"] < most, "requests, not seconds: a busy machine sends fewer of them"
    assert costs["v1"] == heard["v1"]
    last = heard["none" if "crash" in options else "v3"]
    assert 0 <= last - costs["v3"] < 20, "more than a few were under way when the tables were made"
    assert costs["v2"] <= heard["v2"], "it serves on"
    log = surefoot("log", "--json", "--journal", record.path)
    assert log.returncode == 0
    assert "promote" in {json.loads(line).get("action") for line in log.stdout.splitlines()}


def answered(file):
    """What the load got, by version; nothing was lost on the way."""
    load_report = json.loads(file.read_text())
    requests: Counter[str] = Counter()
    assert (load_report["failed"], load_report["shed"]) == (0, 0)
    for row in load_report["answers"]:
        requests[row["version"]] += row["requests"]
    return requests


def rows(text):
    """The cells of every line that is a row of a table."""
    cells = [[cell.strip() for cell in line.strip("│ ").split("│")] for line in text.splitlines()]
    return [row for row in cells if len(row) >= 4]
