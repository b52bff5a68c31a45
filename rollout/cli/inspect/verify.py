"""`surefoot verify`: prove that a journal is whole, and that it was when it was signed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rollout.cli.options.journal import READ, journal_option
from rollout.decide.record.write_id import name_chain
from rollout.errors import DECIDED_OTHERWISE, InputError, JournalError
from rollout.journal.jsonl import RECORDING
from rollout.journal.location import JournalLocation, is_url
from rollout.plan.reading.files import read

if TYPE_CHECKING:
    from rollout.checkpoint.note import SignedCheckpoint
    from rollout.journal.hash_chain import Row
    from rollout.ports import Entry

_LARGEST = 1 << 26  # bytes of checkpoints: some 300,000
# A file in use has its newest entries beside it; after a hard stop that may be all of them.
_NOTHING = (
    "the journal holds no entry, so there is nothing to verify. If it is a copy of a journal that "
    "was in use, the entries are in the file beside that one, whose name ends with -wal: copy it "
    "too, or copy a journal with surefoot log --export FILE.jsonl"
)


@click.command(
    short_help="Check that a journal is whole and its decisions follow from its counts.",
    epilog="""\b
Examples:
  surefoot verify --journal june.jsonl
  surefoot verify --checkpoints checkpoints.txt --verifier verify.key
  surefoot verify --journal q3.jsonl --verifier verify.key
  surefoot verify --proof 5120.tlog-proof --verifier verify.key

A sealed segment and a proof come from surefoot export.
Exit codes: 0 whole, and decided again equally; 1 an entry was altered, moved or removed, or a
checkpoint does not hold; 9 whole, but this version decides otherwise than recorded.""",
)
@journal_option(READ)
@click.option(
    "--checkpoints",
    type=click.Path(path_type=Path),
    help="File with signed checkpoints (surefoot checkpoint).",
)
@click.option(
    "--verifier",
    type=click.Path(path_type=Path),
    help="File with the key that verifies them, from a source that you trust.",
)
@click.option(
    "--proof",
    type=click.Path(path_type=Path),
    help="Check this proof (surefoot export) instead of a journal; needs --verifier.",
)
@click.option("--no-replay", is_flag=True, help="Check hashes and signatures only.")
def verify(
    journal: JournalLocation | None,
    checkpoints: Path | None,
    verifier: Path | None,
    proof: Path | None,
    *,
    no_replay: bool,
) -> None:
    """Check that no entry was altered, that every checkpoint holds, and each decision again."""
    from rollout.cli.inspect import sealed

    key = None if verifier is None else read(verifier)
    signed = None if checkpoints is None else read_checkpoints(checkpoints)
    if proof is not None:
        click.echo(sealed.verify_proof(proof, key, signed or ()))
        return
    if segment := sealed.open_segment(journal):
        click.echo(sealed.verify_segment(segment, key, signed or ()))
        if not no_replay:
            _replay(sealed.list_begun(segment))
        return
    if (checkpoints is None) is not (verifier is None):
        _refuse_half(journal)
    rows = read_rows(journal)
    if rows:
        last, chain = rows[-1].hash, name_chain(rows[0].hash)
        click.echo(
            f"{len(rows):,} entries are whole, the last has the hash {last}; they are chain {chain}"
        )
    if signed is not None and key is not None:
        _verify_checkpoints(rows, signed, key)
    if not rows:
        raise InputError(_NOTHING)
    if not no_replay:
        # Read once more, since this compares the columns that repeat the texts as well.
        _replay(read_entries(journal))


def _refuse_half(journal: JournalLocation | None) -> None:
    """Refuse checkpoints without a key, or a key without them. Raises InputError, JournalError."""
    if journal is not None and not is_url(journal) and Path(journal).suffix == RECORDING:
        read_rows(journal)  # a segment whose first line was altered is no wrong option
    raise InputError(
        "--checkpoints and --verifier are given together; only a sealed segment needs no "
        "--checkpoints, since it has its own"
    )


def read_rows(journal: JournalLocation | None) -> Sequence[Row]:
    """Return the sealed rows, whose chain holds. Raises InputError and JournalError."""
    from rollout.journal.location import default_path
    from rollout.journal.open import open_for_reading

    with closing(open_for_reading(journal or default_path())) as opened:
        return opened.rows()


def read_entries(journal: JournalLocation | None) -> Sequence[Entry]:
    """Return the entries of the same. Raises InputError and JournalError."""
    from rollout.journal.location import default_path
    from rollout.journal.open import open_for_reading

    with closing(open_for_reading(journal or default_path())) as opened:
        return opened.read()


def read_leaves(rows: Sequence[Row]) -> Sequence[bytes]:
    """Return the leaves of the tree: the entries' texts."""
    return [row.text.encode() for row in rows]


def read_checkpoints(file: Path) -> Sequence[SignedCheckpoint]:
    """Return the checkpoints of a file. Raises InputError if there are none, and JournalError."""
    from rollout.checkpoint import note

    try:
        signed = list(note.parse(read(file, _LARGEST)))
    except JournalError as error:
        raise JournalError(f"{file}: {error}") from error
    if not signed:
        raise InputError(f"{file} holds no checkpoint")
    return signed


def _verify_checkpoints(rows: Sequence[Row], signed: Sequence[SignedCheckpoint], key: str) -> None:
    """Compare the journal with every checkpoint. Raises JournalError."""
    from rollout.checkpoint import note
    from rollout.checkpoint.merkle import roots

    expected = roots(read_leaves(rows), {entry.checkpoint.size for entry in signed})
    for number, entry in enumerate(signed, start=1):
        size = entry.checkpoint.size
        if not note.verify(entry, key):
            raise JournalError(f"checkpoint {number} ({size:,} entries) is not signed by this key")
        if size not in expected:
            raise JournalError(
                f"checkpoint {number} was signed over {size:,} entries, and the journal has "
                f"{len(rows):,}: newer ones were cut off"
            )
        if expected[size] != entry.checkpoint.root:
            raise JournalError(
                f"checkpoint {number} was signed over other entries: among the first {size:,} some "
                "were written anew"
            )
    newest = max(entry.checkpoint.size for entry in signed)
    noun = "checkpoint holds" if len(signed) == 1 else "checkpoints hold"
    rest = f"entries after {newest:,} are not signed yet" if newest < len(rows) else "all is signed"
    click.echo(f"{len(signed):,} {noun}; {rest}")


def _replay(entries: Sequence[Entry]) -> None:
    """Decide every look again, and end with an exit code of its own where one comes out otherwise.

    That is no failure of the record: rules may have changed since the version that wrote it.
    """
    from rollout.explain.decision.replayed import describe_replay
    from rollout.review.history import histories

    recorded = histories(entries)
    looks = [(rollout, look) for rollout in recorded for look in rollout.looks if look.fact]
    changed = [(rollout, look) for rollout, look in looks if look.differs]
    for rollout, look in changed:
        number = look.decided.seq if look.decided else 0
        verdict = describe_replay(look.differs, look.controller)
        click.echo(f"decision {number} of {rollout.rollout} comes out otherwise: {verdict}")
    if not looks:
        click.echo("no rollout with a decision begins in these entries, so none is decided again")
        return
    click.echo(f"{len(looks) - len(changed):,} of {len(looks):,} decisions come out as recorded")
    if changed:
        raise SystemExit(DECIDED_OTHERWISE)
