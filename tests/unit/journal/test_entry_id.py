"""An id names one entry among all journals: the chain's name and the number."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.errors import InputError
from rollout.journal.entry_id import EntryId, find_chain, parse_id
from rollout.journal.jsonl import LinesJournal
from rollout.journal.memory import MemoryJournal

GOLDEN = Path(__file__).parents[2] / "golden"
JOURNAL, OTHER = GOLDEN / "10-collapse.jsonl", GOLDEN / "12-observe.jsonl"
CHAIN = json.loads(JOURNAL.read_text().splitlines()[0])["hash"][:12]


def call(*arguments):
    return CliRunner().invoke(surefoot, [*map(str, arguments)])


def logged():
    lines = call("log", "--journal", JOURNAL, "--all", "--json").stdout.splitlines()
    return [json.loads(line) for line in lines]


def test_the_name_is_the_beginning_of_the_first_hash_and_an_empty_journal_has_none():
    assert find_chain(LinesJournal(JOURNAL)) == CHAIN
    assert find_chain(LinesJournal(OTHER)) not in {CHAIN, None}
    assert find_chain(MemoryJournal()) is None


def test_an_id_is_read_as_it_is_written():
    for own in (EntryId(CHAIN, 52), EntryId(None, 7)):
        assert parse_id(str(own)) == own
    for text in ("", "x", "-1", "1_000", "1.2", f"{CHAIN}.", f"{CHAIN[1:]}.5", f"{CHAIN}.5 ", "٣"):
        with pytest.raises(ValueError, match="an entry is a number"):
            parse_id(text)


def test_only_an_id_of_this_chain_is_taken():
    EntryId(None, 3).check_chain(CHAIN)
    EntryId(CHAIN, 3).check_chain(CHAIN)
    with pytest.raises(InputError, match=f"is of another chain: this journal is chain {CHAIN}"):
        EntryId("0" * 12, 3).check_chain(CHAIN)
    with pytest.raises(InputError, match="this journal is empty"):
        EntryId(CHAIN, 3).check_chain(None)


def test_the_log_and_verify_name_it():
    entries = logged()
    assert [line["entry"] for line in entries] == [f"{CHAIN}.{line['seq']}" for line in entries]
    assert f"they are chain {CHAIN}" in call("verify", "--no-replay", "--journal", JOURNAL).stdout


def test_why_takes_what_the_log_prints_and_refuses_another_journal_s():
    number = next(line["seq"] for line in logged() if line["kind"] == "decided")
    by_number, by_id = (
        call("why", own, "--journal", JOURNAL, "--json") for own in (number, f"{CHAIN}.{number}")
    )
    assert (by_id.exit_code, by_id.stdout) == (0, by_number.stdout)
    assert json.loads(by_id.stdout)["entry"] == f"{CHAIN}.{number}"
    refused = call("why", f"{CHAIN}.{number}", "--journal", OTHER)
    assert (refused.exit_code, "is of another chain" in refused.stderr) == (2, True)


def test_a_proof_names_its_entry_and_a_first_segment_its_chain(tmp_path):
    key, checkpoints = tmp_path / "key", tmp_path / "checkpoints"
    call("checkpoint", "--key", key, "--new-key", "lab.example/surefoot")
    call("checkpoint", "--key", key, "--journal", JOURNAL, "--to", checkpoints)
    head = ("export", "--journal", JOURNAL, "--checkpoints", checkpoints)
    assert f"entry {CHAIN}.5 " in call(*head, "--entry", 5, tmp_path / "5.tlog-proof").stdout
    for first, is_named in ((1, True), (3, False)):
        segment = tmp_path / f"from-{first}.jsonl"
        call(*head, "--from", first, segment)
        verified = call("verify", "--no-replay", "--journal", segment)
        assert verified.exit_code == 0, verified.output
        assert (f"of chain {CHAIN}" in verified.stdout) is is_named
