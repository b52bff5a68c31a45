"""Whatever a journal's rows hold: facts that are read to the end, or a refusal in words."""

import json
import shutil
import sqlite3
from contextlib import closing, suppress

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.errors import JournalError, SurefootError
from rollout.journal.hash_chain import canonical, parse
from rollout.journal.jsonl import from_lines, to_lines
from rollout.journal.memory import MemoryJournal
from rollout.journal.open import open_for_reading
from rollout.journal.sql.store import open_journal
from rollout.ports import Ports
from rollout.simulate import MemoryRouter, SimulatedService, VirtualClock
from rollout.tick.controller import Controller
from tests.support.fuzzing import fuzz
from tests.support.manifests import ROOT
from tests.support.sealed import reseal
from tests.support.worlds import GOOD

RECORDED = ROOT / "notebooks" / "data" / "demo.jsonl"
COMMANDS = [("log", "--all"), ("log", "--json"), ("status",), ("why",)]
COLUMNS = ["seq", "at", "rollout", "kind", "text", "previous", "hash"]


@pytest.fixture(scope="module")
def rows():
    """The first entries of a real rollout, observations included."""
    with RECORDED.open(encoding="utf-8") as lines:
        return from_lines(line for _, line in zip(range(40), lines, strict=False))


def follow(journal, now):
    """Take a journal up as a controller does, and go on with it for a while."""
    router, clock = MemoryRouter(), VirtualClock(now)
    world = SimulatedService(router, {"v1": GOOD, "v2": GOOD}, seed=1, rate=1.0)
    controller = Controller(Ports(world, router, journal, clock), "test")
    problems: list[str] = []
    controller.on_problem = problems.append
    for _ in range(2):
        controller.tick()
        clock.sleep(1.0)
    assert [problem for problem in problems if "Error" in problem] == []


def mangle_facts(mutator, rows):
    """Return some of the rows with one fact changed, sealed anew; None for what is no text."""
    texts = [row.text for row in rows[: mutator.random.randrange(1, len(rows))]]
    at = mutator.random.randrange(len(texts))
    try:
        texts[at] = canonical(mutator.mangle(json.loads(texts[at])))
        return reseal(texts)
    except ValueError:
        return None


def test_whatever_a_row_holds_is_a_fact_or_refused(rows):
    """A recording whose facts were changed and that was sealed anew by somebody else."""
    now = parse(rows[-1]).fact.at

    def check(mutator):
        sealed = mangle_facts(mutator, rows)
        if sealed is not None:
            with suppress(SurefootError):
                follow(MemoryJournal(sealed), now)

    fuzz("facts", 0.06, check)


def test_whatever_a_journal_holds_is_shown_or_refused(rows, tmp_path):
    recording = tmp_path / "journal.jsonl"

    def check(mutator):
        sealed = mangle_facts(mutator, rows)
        if sealed is None:
            return
        recording.write_text("".join(f"{line}\n" for line in to_lines(sealed)), encoding="utf-8")
        command = mutator.random.choice(COMMANDS)
        done = CliRunner().invoke(surefoot, [*command, "--journal", str(recording)])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.output.replace("\n", "").replace("\t", "").isprintable()

    fuzz("shown", 0.03, check)


def test_whatever_a_recording_s_lines_are_they_are_rows_or_refused(rows):
    lines = [*to_lines(rows[:6])]

    def check(mutator):
        line = mutator.random.randrange(len(lines))
        changed = mutator.to_json(mutator.mangle(json.loads(lines[line])))
        if mutator.random.random() < 0.3:
            changed = mutator.spoil(lines[line]).decode("utf-8", "replace")
        with suppress(JournalError):
            read = from_lines([*lines[:line], changed, *lines[line + 1 :]])
            hashes = [row.hash for row in rows]
            assert all(row.hash in hashes for row in read)
            list(map(parse, read))

    fuzz("lines", 0.06, check)


def test_whatever_a_database_s_rows_hold_they_are_read_or_refused(rows, tmp_path):
    sound, altered = tmp_path / "sound.db", tmp_path / "altered.db"
    facts = [parse(row).fact for row in rows]
    with closing(open_journal(sound)) as journal:
        journal.append(facts, 0)
    with closing(sqlite3.connect(sound)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        for change in ("UPDATE", "DELETE"):
            connection.execute(f"DROP TRIGGER entries_no_{change}")

    def check(mutator):
        shutil.copyfile(sound, altered)
        if mutator.random.random() < 0.3:
            altered.write_bytes(mutator.spoil_bytes(sound.read_bytes()))
        else:
            value = mutator.odd_value()
            value = value if isinstance(value, str | float | None) else str(value)
            with suppress(sqlite3.Error, UnicodeEncodeError), sqlite3.connect(altered) as database:
                column, seq = mutator.random.choice(COLUMNS), mutator.random.randrange(1, len(rows))
                statement = f"UPDATE entries SET {column} = ? WHERE seq = ?"  # noqa: S608
                database.execute(statement, (value, seq))
            database.close()
        with suppress(SurefootError), closing(open_for_reading(altered)) as journal:
            entries = journal.read()
            assert [entry.fact for entry in entries] == facts[: len(entries)]

    fuzz("database", 0.03, check)
