"""A journal is proven whole, by us and by a script of others, and every damage is found."""

import json
import random
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.decide.record.facts import HumanSaid
from rollout.journal.hash_chain import GENESIS, digest
from rollout.journal.sql.store import open_journal

ROOT = Path(__file__).parents[4]
RECORDED = ROOT / "notebooks" / "data" / "demo.jsonl"


def call(*arguments: object):
    return CliRunner().invoke(surefoot, [*map(str, arguments)])


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    """A folder with keys and a checkpoint of the recorded journal without its last entries."""
    folder = tmp_path_factory.mktemp("signed")
    new_key = call("checkpoint", "--key", folder / "key", "--new-key", "lab.example/surefoot")
    (folder / "verifier").write_text(new_key.stdout)
    shorter = folder / "part.jsonl"
    shorter.write_text("".join(RECORDED.read_text().splitlines(keepends=True)[:-5]))
    done = call(
        "checkpoint", "--key", folder / "key", "--journal", shorter, "--to", folder / "signed"
    )
    assert done.exit_code == 0, done.output
    return folder


def verify(folder: Path, journal: Path, *more: str):
    keys = ("--checkpoints", folder / "signed", "--verifier", folder / "verifier")
    return call("verify", "--journal", journal, *keys, *more)


def test_a_whole_journal_is_told_with_its_checkpoints_and_its_replay(signed):
    done = verify(signed, RECORDED)
    assert done.exit_code == 0, done.output
    entries = len(RECORDED.read_text().splitlines())
    assert f"{entries:,} entries are whole" in done.stdout
    assert f"1 checkpoint holds; entries after {entries - 5} are not signed yet" in done.stdout
    assert re.search(r"(\d+) of \1 decisions come out as recorded", done.stdout)


def test_the_signing_key_is_its_owners_alone_and_never_overwritten(signed):
    assert (signed / "key").stat().st_mode & 0o777 == 0o600
    assert call("checkpoint", "--key", signed / "key", "--new-key", "a").exit_code == 2
    (signed / "open").write_text((signed / "key").read_text())
    (signed / "open").chmod(0o644)
    done = call("checkpoint", "--key", signed / "open", "--journal", RECORDED)
    assert done.exit_code == 2
    assert "chmod 600" in done.stderr


def seal_anew(facts: list[str]) -> str:
    """Return a recording of these texts, whose chain is right again."""
    lines, previous = [], GENESIS
    for seq, text in enumerate(facts, start=1):
        sealed = digest(previous, seq, text)
        lines.append(f'{{"seq":{seq},"previous":"{previous}","hash":"{sealed}","fact":{text}}}\n')
        previous = sealed
    return "".join(lines)


def damage(dice: random.Random, facts: list[str], before: int) -> list[str]:
    """Return the texts with one flip, drop, swap, insertion or cut among the first `before`."""
    at, kind = dice.randrange(before), dice.randrange(5)
    match kind:
        case 0:
            fact = json.loads(facts[at])
            fact["at"] += 1e-3
            text = json.dumps(fact, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            return [*facts[:at], text, *facts[at + 1 :]]
        case 1:
            return [*facts[:at], *facts[at + 1 :]]
        case 2:
            other = (at + 1 + dice.randrange(before - 1)) % before
            swapped = [*facts]
            swapped[at], swapped[other] = swapped[other], swapped[at]
            return swapped
        case 3:
            return [*facts[:at], facts[dice.randrange(before)], *facts[at:]]
    return facts[:at]


def test_every_damage_before_the_checkpoint_is_found_also_with_a_chain_made_anew(signed, tmp_path):
    facts = [row.text for row in _rows(RECORDED)]
    dice, journal = random.Random(1), tmp_path / "journal.jsonl"
    for _ in range(100):
        damaged = damage(dice, facts, len(facts) - 5)
        if damaged == facts:
            continue
        journal.write_text(seal_anew(damaged))
        done = verify(signed, journal, "--no-replay")
        assert done.exit_code == 1, done.output
        assert "checkpoint 1 was signed over" in done.stderr


def test_the_script_of_the_docs_says_the_same(signed, tmp_path):
    text = (ROOT / "docs" / "verify.md").read_text()
    script, _ = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (tmp_path / "verify.py").write_text(script)
    keys = [str(signed / "signed"), str(signed / "verifier")]

    def run(journal: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(tmp_path / "verify.py"), str(journal), *keys]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done = run(RECORDED)
    assert done.returncode == 0, done.stderr
    assert "entries are as they were signed" in done.stdout
    facts = [row.text for row in _rows(RECORDED)]
    changed = tmp_path / "changed.jsonl"
    changed.write_text(seal_anew([*facts[1:2], *facts[:1], *facts[2:]]))
    assert run(changed).returncode != 0


def test_a_decision_that_comes_out_otherwise_has_an_exit_code_of_its_own(tmp_path):
    facts = [row.text for row in _rows(RECORDED)]
    at = next(i for i, text in enumerate(facts) if '"action":"promote"' in text)
    facts[at] = facts[at].replace('"reasons":["all-safe"', '"reasons":["inconclusive"')
    journal = tmp_path / "journal.jsonl"
    journal.write_text(seal_anew(facts))
    done = call("verify", "--journal", journal)
    assert done.exit_code == 9, done.output
    assert f"decision {at + 1} of discharge-summarizer-v2" in done.stdout
    assert "Surefoot 0.1.0 recorded it" in done.stdout


def test_an_altered_entry_is_named(tmp_path):
    journal = tmp_path / "journal.jsonl"
    journal.write_text(RECORDED.read_text().replace('"action":"promote"', '"action":"advance"', 1))
    done = call("verify", "--journal", journal)
    assert done.exit_code == 1
    assert re.search(r"entry \d+ was altered", done.stderr)


def test_an_empty_journal_can_be_signed(tmp_path, signed):
    journal = tmp_path / "journal.jsonl"
    journal.write_text("")
    done = call("checkpoint", "--key", signed / "key", "--journal", journal)
    assert done.stdout.splitlines()[1] == "0"


def _rows(path: Path):
    from rollout.journal.jsonl import LinesJournal

    return LinesJournal(path).rows()


def test_a_journal_that_is_signed_to_its_end_has_nothing_left_to_sign(signed):
    done = verify(signed, signed / "part.jsonl", "--no-replay")
    assert done.stdout.splitlines()[1] == "1 checkpoint holds; all is signed"


def test_a_second_key_does_not_take_the_place_of_the_first(signed):
    done = call("checkpoint", "--key", signed / "key", "--new-key", "lab.example/other")
    assert done.exit_code == 2
    assert "exists already: choose another name" in done.stderr


def test_a_new_key_signs_nothing(tmp_path):
    new_key = ("--key", tmp_path / "key", "--new-key", "a", "--to", tmp_path / "signed")
    assert call("checkpoint", *new_key, "--journal", RECORDED).exit_code == 2
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("option", ["--checkpoints", "--verifier"])
def test_a_file_that_is_no_text_is_named_before_the_journal_is_read(signed, tmp_path, option):
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    done = verify(signed, tmp_path / "missing.jsonl", option, str(tmp_path / "bytes"))
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == f"surefoot: {tmp_path / 'bytes'}: not a text file in UTF-8\n"


def test_columns_that_differ_from_their_entry_are_told_as_by_every_other_command(tmp_path):
    path = tmp_path / "journal.db"
    with closing(open_journal(path)) as journal:
        fact = HumanSaid(rollout="r-1", at=1.5, command="pause", actor="ops")
        journal.append([fact], after=0)
    with closing(sqlite3.connect(path)) as database:
        database.execute("DROP TRIGGER entries_no_UPDATE")
        database.execute("UPDATE entries SET rollout = 'r-2'")
        database.commit()
    for command in ("verify", "log"):
        done = call(command, "--journal", path)
        assert done.exit_code == 1, done.output
        assert "entry 1 was altered: its columns differ from its text" in done.stderr


def test_a_copy_without_the_entries_beside_it_is_not_called_whole(tmp_path):
    with closing(open_journal(tmp_path / "journal.db")) as journal:
        journal.append([HumanSaid(rollout="v2", at=1.0, command="pause", actor="somebody")], 0)
        (tmp_path / "copy.db").write_bytes((tmp_path / "journal.db").read_bytes())
        done = call("verify", "--journal", tmp_path / "copy.db")
        assert done.exit_code == 2
        assert "nothing to verify" in done.output
        assert "-wal" in done.output
        (tmp_path / "copy.db-wal").write_bytes((tmp_path / "journal.db-wal").read_bytes())
        assert "1 entries are whole" in call("verify", "--journal", tmp_path / "copy.db").stdout


def test_a_file_without_checkpoints_is_named(signed, tmp_path):
    (tmp_path / "notes.txt").write_text("words\n")
    keys = ("--checkpoints", tmp_path / "notes.txt", "--verifier", signed / "verifier")
    done = call("verify", "--journal", RECORDED, *keys)
    assert done.exit_code == 1
    assert "notes.txt" in done.stderr
