"""Segments and proofs verify without the journal, and no damage to one passes."""

import json
import random
import re
import shutil
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.journal.jsonl import LinesJournal, to_lines
from rollout.journal.sql.store import SqlJournal, open_journal
from tests.support.manifests import ROOT
from tests.unit.page.conftest import RECORDED

SIZES = (20, 50, 70)
CHAIN = LinesJournal(RECORDED).rows(0, 1)[0].hash[:12]


def call(*arguments: object):
    return CliRunner().invoke(surefoot, [*map(str, arguments)])


def done(*arguments: object) -> str:
    answer = call(*arguments)
    assert answer.exit_code == 0, answer.output
    text: str = answer.stdout
    return text


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    """A folder with keys, and checkpoints that were signed while the journal grew."""
    folder = tmp_path_factory.mktemp("sealed")
    verifier = done("checkpoint", "--key", folder / "key", "--new-key", "lab.example/surefoot")
    (folder / "verifier").write_text(verifier)
    lines = RECORDED.read_text().splitlines(keepends=True)
    for size in SIZES:
        (folder / "grows.jsonl").write_text("".join(lines[:size]))
        grown = ("--journal", folder / "grows.jsonl", "--to", folder / "signed")
        done("checkpoint", "--key", folder / "key", *grown)
    return folder


def export(folder, file, *more):
    return call(
        "export", "--journal", RECORDED, "--checkpoints", folder / "signed", *more, folder / file
    )


@pytest.fixture(scope="module")
def segments(signed):
    """Every segment between two checkpoints, oldest first."""
    firsts = (1, *(size + 1 for size in SIZES[:-1]))
    files = []
    for first, last in zip(firsts, SIZES, strict=True):
        sealed = export(signed, f"{first}.jsonl", "--from", first, "--to", last)
        assert sealed.exit_code == 0, sealed.output
        files.append(signed / f"{first}.jsonl")
    return files


def verify(folder, file, *more):
    return call("verify", "--journal", file, "--verifier", folder / "verifier", *more)


def test_segments_hold_all_entries_and_verify_alone(signed, segments):
    lines = [line for file in segments for line in file.read_text().splitlines()[1:]]
    assert lines == RECORDED.read_text().splitlines()[: SIZES[-1]]
    for file in segments:
        checked = verify(signed, file)
        assert checked.exit_code == 0, checked.output
        assert "are whole and signed with all before them" in checked.stdout
    assert "entries 51 to 70 are whole" in checked.stdout


def test_a_range_may_begin_anywhere_and_other_checkpoints_inside_hold_too(signed):
    assert export(signed, "from33.jsonl", "--from", 33).exit_code == 0
    checked = verify(signed, signed / "from33.jsonl", "--checkpoints", signed / "signed")
    assert "entries 33 to 70 are whole" in checked.stdout
    assert ", and 2 more checkpoints hold" in checked.stdout


def test_a_segment_without_a_key_says_that_nobody_is_trusted_to_have_signed_it(segments):
    assert "--verifier tells" in done("verify", "--journal", segments[1])


def test_the_first_bad_entry_of_a_segment_is_named(signed, segments):
    text = segments[1].read_text()
    line = text.splitlines()[7]
    altered = signed / "altered.jsonl"
    altered.write_text(text.replace(line, line.replace('"at":1', '"at":2', 1)))
    checked = verify(signed, altered)
    assert (checked.exit_code, "entry 27 was altered" in checked.stderr) == (1, True)


@pytest.fixture(scope="module")
def named(signed):
    """A segment that begins later and names its chain."""
    sealed = export(signed, "named.jsonl", "--from", 21, "--to", 50, "--name-chain")
    assert (sealed.exit_code, sealed.stdout.rpartition(" ")[2].strip()) == (0, CHAIN)
    return signed / "named.jsonl"


def test_a_later_segment_proves_its_chain_s_name_where_that_was_asked_for(signed, segments, named):
    for file, is_named in ((segments[0], True), (segments[1], False), (named, True)):
        checked = verify(signed, file)
        assert (checked.exit_code, f"chain {CHAIN}" in checked.stdout) == (0, is_named)
    assert named.read_text().splitlines()[1:] == segments[1].read_text().splitlines()[1:]


def test_the_first_entry_of_another_journal_names_no_chain(signed, named):
    """It is put in with its own hash and path: only the tree that was signed tells."""
    head, _, rest = named.read_text().partition("\n")
    members = json.loads(head)
    members["segment"]["beginning"]["text"] = members["segment"]["beginning"]["text"] + " "
    altered = signed / "renamed.jsonl"
    altered.write_text(f"{json.dumps(members)}\n{rest}")
    checked = verify(signed, altered)
    assert (checked.exit_code, "is another one" in checked.stderr) == (1, True)
    members["segment"]["beginning"]["text"] = "\ud800"
    altered.write_text(f"{json.dumps(members)}\n{rest}")
    assert verify(signed, altered).exit_code == 1


def test_a_proof_of_one_entry_holds_no_other(signed):
    refused = export(signed, "no.tlog-proof", "--entry", 3, "--name-chain")
    assert (refused.exit_code, "is for a segment" in refused.stderr) == (2, True)


@pytest.mark.parametrize("names_chain", [False, True])
def test_every_damage_to_a_segment_is_found(signed, segments, named, names_chain):
    dice, damaged = random.Random(1), signed / "damaged.jsonl"
    lines = (named if names_chain else segments[1]).read_text().splitlines(keepends=True)
    for _ in range(60):
        at, kind = dice.randrange(len(lines)), dice.randrange(4)
        others = [*lines]
        if kind == 0:
            del others[at]
        elif kind == 1:
            others.insert(at, dice.choice(lines))
        elif kind == 2:
            del others[at:]
        else:
            digit = dice.choice([i for i, letter in enumerate(lines[at]) if letter.isdigit()])
            flipped = str((int(lines[at][digit]) + 1) % 10)
            others[at] = lines[at][:digit] + flipped + lines[at][digit + 1 :]
        damaged.write_text("".join(others))
        code = 1 if others else 2  # nothing at all is bad input
        assert verify(signed, damaged, "--no-replay").exit_code == code, (at, kind)


def test_a_segment_whose_first_line_was_moved_or_removed_is_no_wrong_option(signed, segments):
    damaged = signed / "headless.jsonl"
    first, second, *rest = segments[1].read_text().splitlines(keepends=True)
    for lines, words in {
        (second, first, *rest): "line 2 is the first of a sealed segment: it was moved here",
        (first, first, second, *rest): "line 2 is the first of a sealed segment",
        (second, *rest): "entry 1 is missing: a gap before entry 21",
        (first, second, "x\n", *rest): "line 3 is not a journal entry",
    }.items():
        damaged.write_text("".join(lines))
        checked = verify(signed, damaged)
        assert (checked.exit_code, words in checked.stderr) == (1, True), checked.output


def test_a_segment_of_another_key_is_refused(signed, segments, tmp_path):
    other = done("checkpoint", "--key", tmp_path / "key", "--new-key", "lab.example/surefoot")
    (tmp_path / "verifier").write_text(other)
    checked = verify(tmp_path, segments[0])
    assert (checked.exit_code, "is not signed by this key" in checked.stderr) == (1, True)


def test_other_commands_say_that_a_segment_is_no_journal(segments):
    answer = call("log", "--journal", segments[1])
    assert (answer.exit_code, "surefoot verify reads it" in answer.stderr) == (1, True)


def test_a_segment_ends_where_something_was_signed(signed):
    refused = export(signed, "no.jsonl", "--to", 55)
    assert (refused.exit_code, "or end with 50" in refused.stderr) == (2, True)
    refused = export(signed, "no.jsonl", "--from", 51, "--to", 50)
    assert (refused.exit_code, "there is no entry from 51 to 50" in refused.stderr) == (2, True)


def test_an_entry_is_proven_to_who_has_nothing_else(signed):
    assert export(signed, "17.tlog-proof", "--entry", 17).exit_code == 0
    proof = ("--proof", signed / "17.tlog-proof", "--verifier", signed / "verifier")
    checked = done("verify", *proof)
    assert checked.startswith("entry 17 of 70 is\n")
    assert LinesJournal(RECORDED).rows()[16].text.replace(" ", "") == checked.split("\n")[
        1
    ].replace(" ", "")
    text = (signed / "17.tlog-proof").read_text()
    assert text.startswith("c2sp.org/tlog-proof@v1\nextra ")
    for old, new in (("index 16", "index 17"), ("extra ey", "extra eZ"), ("\n70\n", "\n69\n")):
        (signed / "bad.tlog-proof").write_text(text.replace(old, new, 1))
        bad = ("--proof", signed / "bad.tlog-proof", "--verifier", signed / "verifier")
        assert call("verify", *bad).exit_code == 1, old


def test_the_script_of_the_docs_checks_a_proof_too(signed, tmp_path):
    assert export(signed, "19.tlog-proof", "--entry", 19).exit_code == 0
    text = (ROOT / "docs" / "verify.md").read_text()
    _, script = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (tmp_path / "prove.py").write_text(script)
    root = (signed / "19.tlog-proof").read_text().split("\n\n")[1].split("\n")[2]

    def run(file: Path, root: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(tmp_path / "prove.py"), str(file), root]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    checked = run(signed / "19.tlog-proof", root)
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.strip() == LinesJournal(RECORDED).rows()[18].text
    assert run(signed / "19.tlog-proof", "A" * 43 + "=").returncode != 0
    changed = (signed / "19.tlog-proof").read_text().replace("extra ey", "extra eZ")
    (tmp_path / "changed.tlog-proof").write_text(changed)
    assert run(tmp_path / "changed.tlog-proof", root).returncode != 0


def test_a_journal_is_proven_to_have_only_grown(signed):
    assert export(signed, "grown.tlog-growth", "--grown-from", 50).exit_code == 0
    trusted = ("--checkpoints", signed / "signed", "--verifier", signed / "verifier")
    checked = done("verify", "--proof", signed / "grown.tlog-growth", *trusted)
    assert checked == "the first 50 entries are still those of 70\n"
    text = (signed / "grown.tlog-growth").read_text()
    (signed / "bad.tlog-growth").write_text(text.replace("old 50", "old 20"))
    assert call("verify", "--proof", signed / "bad.tlog-growth", *trusted).exit_code == 1


def test_a_proof_without_a_key_proves_nothing(signed):
    assert export(signed, "18.tlog-proof", "--entry", 18).exit_code == 0
    assert call("verify", "--proof", signed / "18.tlog-proof").exit_code == 2


def test_a_file_is_never_overwritten(signed, segments):
    refused = export(signed, segments[0].name)
    assert (refused.exit_code, "exists already" in refused.stderr) == (2, True)


@pytest.fixture
def growing(tmp_path):
    """A journal to which somebody appends all the time."""
    path, over = tmp_path / "journal.db", Event()
    facts = [entry.fact for entry in LinesJournal(RECORDED).read()]
    with closing(open_journal(path)) as journal:
        last = journal.append(facts[:1], after=0)[-1].seq

        def append():
            number = last
            while not over.is_set():
                number = journal.append(facts[1:3], after=number)[-1].seq

        writer = Thread(target=append)
        writer.start()
        yield path
        over.set()
        writer.join()


@pytest.mark.parametrize("proof", [("--entry", 18), ("--grown-from", 18)], ids=str)
def test_a_proof_of_a_part_is_bad_input(signed, proof):
    ended = export(signed, "part.proof", *proof, "--from", 3)
    assert ended.exit_code == 2
    assert "a proof is of the whole tree" in ended.output


def await_growth(path: Path, size: int) -> None:
    """Wait until a journal has more entries than so many."""
    end = time.monotonic() + 60
    with closing(SqlJournal(path, readonly=True)) as journal:
        while journal.head() <= size:
            assert time.monotonic() < end, "nothing is appended"
            time.sleep(0.01)


def test_a_journal_that_grows_is_signed_and_sealed_up_to_what_was_signed(signed, growing, tmp_path):
    shutil.copy(signed / "key", tmp_path)
    shutil.copy(signed / "verifier", tmp_path)
    own = ("--journal", growing)
    sizes, checkpoints = [0], tmp_path / "signed"
    for turn in range(4):
        await_growth(growing, sizes[-1])
        done("checkpoint", "--key", tmp_path / "key", *own, "--to", checkpoints)
        sealed = done(
            *("export", *own, "--checkpoints", checkpoints, "--from", sizes[-1] + 1),
            tmp_path / f"{turn}.jsonl",
        )
        sizes.append(int(sealed.split()[3].replace(",", "")))
        assert verify(tmp_path, tmp_path / f"{turn}.jsonl", "--no-replay").exit_code == 0
        whole = ("--checkpoints", checkpoints, "--verifier", tmp_path / "verifier", "--no-replay")
        assert "hold" in done("verify", *own, *whole)
    assert sizes == sorted(set(sizes)), "each segment has what was appended meanwhile"
    lines = [
        line
        for turn in range(4)
        for line in (tmp_path / f"{turn}.jsonl").read_text().splitlines()[1:]
    ]
    with closing(SqlJournal(growing, readonly=True)) as journal:
        assert lines == list(to_lines(journal.rows(0, sizes[-1])))
