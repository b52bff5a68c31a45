"""A journal as JSON lines."""

import json
import os
import stat

import pytest

from rollout.decide.record.facts import HumanSaid
from rollout.errors import InputError, JournalError
from rollout.journal import jsonl
from rollout.journal.hash_chain import START, seal_all
from rollout.journal.jsonl import LinesJournal, export, from_lines, to_lines
from rollout.journal.open import open_for_commands, open_for_reading


def build_fact(reason: str) -> HumanSaid:
    return HumanSaid(rollout="r-1", at=1.5, command="pause", actor="ops@host", reason=reason)


ROWS = seal_all(START, [build_fact("a\u2028é\n"), build_fact("b")])
LINES = list(to_lines(ROWS))


def test_every_line_is_one_json_object_with_the_fact_inside():
    assert [json.loads(line)["fact"]["reason"] for line in LINES] == ["a\u2028é\n", "b"]
    assert not any("\n" in line for line in LINES)
    assert from_lines([*LINES, "", "\n"]) == ROWS


def test_moved_spaces_and_keys_do_no_harm():
    assert from_lines(json.dumps(json.loads(line), indent=1) for line in LINES) == ROWS


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "line 1 is not a journal entry"),
        ("[]", "line 1 is not a journal entry"),
        (LINES[0].replace('"seq":1', '"seq":1,"seq":1'), "a member is there twice"),
        (LINES[0].replace('"seq":1', '"seq":true'), "line 1 is not a journal entry"),
        (LINES[0].replace('"seq":1', '"seq":1,"more":1'), "line 1 is not a journal entry"),
        (LINES[0].replace("1.5", "NaN"), "NaN is no JSON"),
        (LINES[0].replace("1.5", "1e999"), "line 1 is not a journal entry"),
        (LINES[0].replace("1.5", "1.25"), "entry 1 was altered"),
        (LINES[1], "entry 1 is missing"),
    ],
)
def test_a_bad_line_is_named(line, problem):
    with pytest.raises(JournalError, match=problem):
        from_lines([line])


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text("".join(f"{line}\n" for line in LINES), encoding="utf-8")
    return path


def test_an_export_is_its_owners_and_never_goes_through_a_link(tmp_path):
    before = os.umask(0)
    try:
        export(ROWS, tmp_path / "copy.jsonl")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "copy.jsonl").stat().st_mode) == 0o600
    for name, target in (("link.jsonl", "victim"), ("dangling.jsonl", "nowhere")):
        (tmp_path / "victim").write_text("kept")
        (tmp_path / name).symlink_to(tmp_path / target)
        with pytest.raises(InputError, match="exists already"):
            export(ROWS, tmp_path / name)
    assert (tmp_path / "victim").read_text() == "kept"
    assert not (tmp_path / "nowhere").exists()


def test_a_recording_reads_like_a_journal_and_may_grow(recording):
    journal = open_for_reading(recording)
    assert isinstance(journal, LinesJournal)
    assert journal.rows() == ROWS
    assert [entry.seq for entry in journal.read(after=1)] == [2]
    more = seal_all(ROWS[-1], [build_fact("c")])
    with recording.open("a", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in to_lines(more))
    assert [entry.fact for entry in journal.read(after=2)] == [build_fact("c")]
    journal.close()


def test_a_recording_is_not_appended_to(recording):
    with pytest.raises(JournalError, match="is an export"):
        LinesJournal(recording).append([build_fact("c")], after=2)
    with pytest.raises(InputError, match="is an export"):
        open_for_commands(recording)
    assert recording.read_text(encoding="utf-8").count("\n") == 2


def test_a_recording_that_is_no_text_or_not_there_is_refused(tmp_path):
    (tmp_path / "b.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(JournalError, match="cannot be read"):
        LinesJournal(tmp_path / "b.jsonl").read()
    with pytest.raises(InputError, match="there is no journal"):
        open_for_reading(tmp_path / "no.jsonl")


def test_an_export_is_read_again(tmp_path):
    path = tmp_path / "copy.jsonl"
    export(ROWS, path)
    assert open_for_reading(path).rows() == ROWS


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("copy.jsonl", "exists already"),
        ("copy.txt", "ends in .jsonl"),
        ("no/such/folder.jsonl", "cannot be written"),
    ],
)
def test_an_export_that_cannot_be_is_refused_and_changes_nothing(tmp_path, name, problem):
    (tmp_path / "copy.jsonl").write_text("before")
    with pytest.raises(InputError, match=problem):
        export(ROWS, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["copy.jsonl"]
    assert (tmp_path / "copy.jsonl").read_text() == "before"


def test_another_recording_in_its_place_is_noticed(recording):
    journal = LinesJournal(recording)
    assert len(journal.read()) == 2
    other = seal_all(START, [build_fact("another"), build_fact("b"), build_fact("c")])
    recording.write_text("".join(f"{line}\n" for line in to_lines(other)), encoding="utf-8")
    for ask in (journal.read, journal.rows, lambda: list(journal.scan())):
        with pytest.raises(JournalError, match="entry 2 is another one"):
            ask()
    recording.write_text(f"{LINES[0]}\n", encoding="utf-8")
    with pytest.raises(JournalError, match="entry 2 is missing"):
        journal.read(1)
    more = [*LINES, *to_lines(seal_all(ROWS[-1], [build_fact("c")]))]
    recording.write_text("".join(f"{line}\n" for line in more), encoding="utf-8")
    assert len(journal.read(2)) == 1, "one that has grown is the same"


def test_an_empty_recording_is_empty_and_may_grow(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text("", encoding="utf-8")
    journal = LinesJournal(path)
    assert journal.read() == []
    path.write_text("".join(f"{line}\n" for line in LINES), encoding="utf-8")
    assert len(journal.read()) == 2


def test_a_recording_is_parsed_again_only_where_it_has_changed(tmp_path, monkeypatch):
    path = tmp_path / "grows.jsonl"
    path.write_text(LINES[0] + "\n")
    recording, parsed = LinesJournal(path), []

    def count(lines):
        parsed.append(1)
        return from_lines(lines)

    monkeypatch.setattr(jsonl, "from_lines", count)
    assert [len(recording.read()) for _ in range(3)] == [1, 1, 1]
    assert parsed == [1]
    path.write_text("\n".join(LINES) + "\n")
    assert len(recording.rows()) == 2
    path.write_text(LINES[0].replace("ops@host", "ann@host") + "\n" + LINES[1] + "\n")
    with pytest.raises(JournalError):
        recording.read()
