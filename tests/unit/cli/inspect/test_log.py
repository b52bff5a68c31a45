"""The decision log on screen."""

import json
import signal
import subprocess
import sys
from contextlib import closing

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.cli.inspect import log_entries
from rollout.decide.record.facts import Decided, Fact, HumanSaid, Observed, Started
from rollout.decide.record.route_facts import Confirmed, Drifted, RouteFailed
from rollout.decide.record.split import Split
from rollout.errors import BAD_INPUT
from rollout.journal import backwards
from rollout.journal.jsonl import to_lines
from rollout.journal.sql import stored
from rollout.journal.sql.store import open_journal

R = {"rollout": "notes-v2-1", "at": 1_700_000_000.25}
PLAN = {
    "metadata": {"name": "notes-v2"},
    "spec": {"service": "notes", "stable": {"version": "v1"}, "canary": {"version": "v2"}},
}
FACTS: list[Fact] = [
    Started(**R, plan=PLAN, digest="d", total=100, controller="0.1.0"),
    Observed(**R, problems={"errors": "no such series"}),
    Decided(**R, action="advance", split=Split(5), reasons=("x",), sentence="Go\x1b[2J to 5 %."),
    RouteFailed(**R, decision=3, problem="refused\nby Envoy", attempt=1),
    Confirmed(**R, decision=3, split=Split(5)),
    HumanSaid(**R, command="pause", actor="ops@host", reason="lunch"),
    Drifted(**R, seen=Split(1, 1000)),
]
OTHER = Started(rollout="other-1", at=1.0, plan={}, digest="d", total=100, controller="0")
LOG = """\
2023-11-14 22:13:20Z      1  notes-v2-1  started           notes from v1 to v2 (Surefoot 0.1.0)
2023-11-14 22:13:20Z      3  notes-v2-1  advance to 5 %    Go[2J to 5 %.
2023-11-14 22:13:20Z      4  notes-v2-1  route failed      attempt 1 of decision 3: refused by Envoy
2023-11-14 22:13:20Z      5  notes-v2-1  confirmed         the mesh shows 5 % (decision 3)
2023-11-14 22:13:20Z      6  notes-v2-1  pause asked       ops@host: lunch
2023-11-14 22:13:20Z      7  notes-v2-1  drifted           somebody else moved the weights to 0.1 %
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "journal.db"
    with closing(open_journal(path)) as journal:
        journal.append([*FACTS, OTHER], after=0)
    return path


def call(*arguments: object, color: bool = False):
    return CliRunner().invoke(surefoot, ["log", *map(str, arguments)], color=color)


@pytest.mark.parametrize("name", ["notes-v2", "notes-v2-1"])
def test_one_line_per_decision_like_fact(path, name):
    result = call(name, "--journal", path)
    assert (result.exit_code, result.output) == (0, LOG)


def test_all_rollouts_without_a_name(path):
    assert call("--journal", path).output.startswith(LOG)
    assert "other-1" in call("--journal", path).output


def test_observations_when_asked_for(path):
    lines = call("--all", "--journal", path).output.splitlines()
    assert lines[1].endswith("observed          0 new samples; errors: no such series")


@pytest.mark.parametrize(
    ("arguments", "seqs"),
    [
        (["--action", "advance"], [3]),
        (["--action", "Advance"], [3]),
        (["--action", "pause"], []),
        (["--action", "roll-back"], []),
        (["--action", "Roll Back"], []),
        (["--action", "RollBack"], []),
        (["--action", "advance", "--action", "pause"], [3]),
        (["--reason", "x"], [3]),
        (["--reason", "y", "--reason", "x"], [3]),
        (["--reason", "x", "--action", "hold"], []),
        (["--actor", "ops@host"], [6]),
        (["--actor", "ops"], []),
        (["--until", "2000-01-01"], [8]),
        (["--since", "2023-11-14T23:13:20+01:00", "--action", "advance"], [3]),
        (["--since", "2023-11-14T22:13:21"], []),
        (["--since", "1h"], []),
        (["--until", "1h", "--all", "notes-v2"], [1, 2, 3, 4, 5, 6, 7]),
    ],
)
def test_filters_must_all_hold_and_those_of_one_kind_are_alternatives(path, arguments, seqs):
    result = call("--json", *arguments, "--journal", path)
    assert [json.loads(line)["seq"] for line in result.stdout.splitlines()] == seqs


def test_a_reason_is_found_with_and_without_its_subject(tmp_path):
    path = tmp_path / "journal.db"
    blind = {"action": "hold", "split": Split(0), "reasons": ("blind:errors",), "sentence": "Wait."}
    with closing(open_journal(path)) as journal:
        journal.append([FACTS[0], Decided(**R, **blind)], after=0)
    for reason, count in {"blind": 1, "blind:errors": 1, "blind:latency": 0}.items():
        assert len(call("--reason", reason, "--journal", path).stdout.splitlines()) == count


@pytest.mark.parametrize(
    ("arguments", "cure"),
    [
        (["--with-secrets"], "--with-secrets is for --export"),
        (["--follow", "--export", "copy.jsonl"], "leave out --follow"),
        (["--since", "1h", "--until", "2h"], "which is earlier"),
        (["--action", "rolback"], "'roll back'"),
    ],
)
def test_options_that_say_nothing_together_are_bad_input(path, arguments, cure):
    done = call(*arguments, "--journal", path)
    assert (done.exit_code, done.stdout) == (BAD_INPUT, "")
    assert cure in done.stderr


def test_a_time_that_cannot_be_read_is_told_with_its_cure(path):
    result = call("--since", "yesterday", "--journal", path)
    assert result.exit_code == BAD_INPUT
    assert "2026-06-01" in result.stderr
    assert "2h" in result.stderr


def test_colour_is_the_only_escape_that_reaches_a_terminal(path):
    output = call("--journal", path, color=True).output
    assert "\x1b[32madvance to 5 %" in output
    assert "\x1b[2J" not in output


def test_json_has_a_stable_shape(path):
    result = call("--json", "--all", "--journal", path)
    lines = [json.loads(line) for line in result.output.splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, 9))
    last = lines[6]
    assert len(last.pop("hash")) == 64
    assert last.pop("entry") == f"{lines[0]['hash'][:12]}.7"
    assert list(last.items()) == [
        ("seq", 7),
        ("at", "2023-11-14T22:13:20.250000+00:00"),
        ("rollout", "notes-v2-1"),
        ("kind", "drifted"),
        ("seen", {"canary": 1, "total": 1000, "way": "weights"}),
        ("policy", ""),
        ("anew", False),
    ]


def test_a_recording_reads_the_same(path, tmp_path):
    with closing(open_journal(path)) as journal:
        lines = list(to_lines(journal.rows()))
    recording = tmp_path / "recorded.jsonl"
    recording.write_text("\n".join(lines), encoding="utf-8")
    assert call("--journal", recording).output == call("--journal", path).output


def test_an_export_reads_the_same_and_is_never_overwritten(path, tmp_path):
    copy = tmp_path / "copy.jsonl"
    result = call("--export", copy, "--journal", path)
    assert result.output.startswith(f"8 entries in {copy}, last hash ")
    assert call("--journal", copy).output == call("--journal", path).output
    assert call("--export", copy, "--journal", path).exit_code == BAD_INPUT
    exported = tmp_path / "part.jsonl"
    for selection in ("notes-v2", "--actor=ops"):
        assert call(selection, "--export", exported, "--journal", path).exit_code == BAD_INPUT
    assert not exported.exists()


def test_a_broken_chain_is_told_and_nothing_printed(path, tmp_path):
    with closing(open_journal(path)) as journal:
        lines = list(to_lines(journal.rows()))
    recording = tmp_path / "recorded.jsonl"
    recording.write_text("\n".join(lines).replace("lunch", "break"), encoding="utf-8")
    result = call("--journal", recording)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "entry 6 was altered" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "seqs"),
    [
        (["-n", "2"], [7, 8]),
        (["-n", "all"], [1, 3, 4, 5, 6, 7, 8]),
        (["-n", "3", "--action", "advance"], [3]),
        (["-n", "2", "notes-v2"], [6, 7]),
        (["-n", "7", "--all"], [2, 3, 4, 5, 6, 7, 8]),
        (["-n", "100"], [1, 3, 4, 5, 6, 7, 8]),
    ],
)
def test_the_newest_entries_come_in_order(path, monkeypatch, arguments, seqs):
    monkeypatch.setattr(backwards, "AT_ONCE", 2)
    result = call("--json", *arguments, "--journal", path)
    assert [json.loads(line)["seq"] for line in result.stdout.splitlines()] == seqs


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "9" * 20])
def test_a_number_of_lines_that_is_none_is_bad_input(path, text):
    assert call("-n", text, "--journal", path).exit_code == BAD_INPUT


def test_what_was_not_read_is_not_said_to_be_verified(path, monkeypatch):
    """An edit of an old entry: who reads the newest is told what he knows, the others find it."""
    monkeypatch.setattr(backwards, "AT_ONCE", 2)
    with closing(open_journal(path)) as journal, journal.database.writing() as connection:
        connection.exec_driver_sql("DROP TRIGGER entries_no_UPDATE")
        connection.exec_driver_sql("UPDATE entries SET text = text || ' ' WHERE seq = 3")
    newest = call("-n", "1", "--journal", path)
    assert newest.exit_code == 0
    assert "entries 7 to 8 of 8 are whole and linked; surefoot verify checks all" in newest.stderr
    for lines in ("all", "6"):
        reaching = call("-n", lines, "--journal", path)
        assert (reaching.exit_code, "entry 3 was altered" in reaching.stderr) == (1, True)
    assert CliRunner().invoke(surefoot, ["verify", "--journal", str(path)]).exit_code == 1


def test_a_long_log_is_printed_while_it_is_read(path, monkeypatch):
    """What was verified is printed before an altered entry further on is come to."""
    monkeypatch.setattr(stored, "AT_ONCE", 2)
    monkeypatch.setattr(log_entries, "AT_ONCE", 2)
    with closing(open_journal(path)) as journal, journal.database.writing() as connection:
        connection.exec_driver_sql("DROP TRIGGER entries_no_UPDATE")
        connection.exec_driver_sql("UPDATE entries SET text = text || ' ' WHERE seq = 6")
    result = call("--journal", path)
    assert (result.exit_code, result.stdout.splitlines()) == (1, LOG.splitlines()[:3])
    assert "entry 6 was altered" in result.stderr


def test_a_terminal_gets_the_newest_and_is_told_so_and_a_pipe_gets_all(path, monkeypatch):
    monkeypatch.setattr(backwards, "AT_ONCE", 2)
    monkeypatch.setattr("rollout.cli.inspect.log._ON_A_TERMINAL", 2)
    assert len(call("--journal", path).stdout.splitlines()) == 7
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _stream: True)
    short = call("--journal", path)
    assert len(short.stdout.splitlines()) == 2
    assert "-n all prints older ones" in short.stderr
    for selection in (["notes-v2"], ["--since", "2000-01-01"], ["-n", "all"], ["--json"]):
        assert len(call(*selection, "--journal", path).stdout.splitlines()) > 2


@pytest.mark.parametrize(("words", "seqs"), [(["-n", "1"], [8]), (["-n", "2", "notes-v2"], [6, 7])])
def test_following_begins_with_the_newest(path, words, seqs):
    command = [sys.executable, "-c", "from rollout.cli import main; main()", "log", "-f", "--json"]
    with subprocess.Popen(
        [*command, *words, "--journal", str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        read = [json.loads(process.stdout.readline())["seq"] for _ in seqs]
        process.send_signal(signal.SIGINT)
        assert (read, process.wait(60)) == (seqs, 0)


def test_bad_input_is_told(path, tmp_path):
    unknown, missing = call("x", "--journal", path), call("--journal", tmp_path / "no.db")
    assert (unknown.exit_code, missing.exit_code) == (2, 2)
    assert "known: notes-v2, other-1" in unknown.stderr
    assert "there is no journal at" in missing.stderr


def test_following_prints_what_comes_and_ends_cleanly_on_ctrl_c(path):
    command = [sys.executable, "-c", "from rollout.cli import main; main()"]
    process = subprocess.Popen(
        [*command, "log", "-f", "--json", "notes-v2", "--journal", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    first = [json.loads(process.stdout.readline())["seq"] for _ in range(6)]
    again = Started(rollout="notes-v2-2", at=3.0, plan=PLAN, digest="e", total=100, controller="0")
    with closing(open_journal(path)) as journal:
        journal.append([OTHER, again], after=8)
    followed = json.loads(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    rest, problems = process.communicate(timeout=60)
    assert first == [1, 3, 4, 5, 6, 7]
    assert (followed["seq"], followed["rollout"]) == (10, "notes-v2-2")
    assert (process.returncode, rest, problems) == (0, "", "")
