"""`surefoot export`: seal a range of a journal, or prove one entry, for who has no journal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rollout.cli.inspect.verify import read_checkpoints, read_leaves, read_rows
from rollout.cli.options.journal import READ, journal_option
from rollout.errors import InputError, JournalError
from rollout.journal.entry_id import EntryId
from rollout.journal.location import JournalLocation

if TYPE_CHECKING:
    from rollout.checkpoint.note import SignedCheckpoint
    from rollout.journal.hash_chain import Row

_NUMBER = click.IntRange(min=1)


@click.command(
    short_help="Seal a range of a journal, or prove one of its entries.",
    epilog="""\b
Examples:
  surefoot export --checkpoints checkpoints.txt --from 5001 --to 9000 q3.jsonl
  surefoot export --checkpoints checkpoints.txt --entry 5120 5120.tlog-proof
  surefoot export --checkpoints checkpoints.txt --grown-from 9000 grown.tlog-growth
  surefoot verify --journal q3.jsonl --verifier verify.key
  surefoot verify --proof 5120.tlog-proof --verifier verify.key

A segment ends where a checkpoint was signed; with its first line it verifies without the entries
before it. A proof of an entry holds its text and a hash or two for each doubling of the journal
(C2SP tlog-proof). Nothing is removed from the journal.""",
)
@click.argument("file", type=click.Path(path_type=Path))
@journal_option(READ)
@click.option(
    "--checkpoints",
    type=click.Path(path_type=Path),
    required=True,
    help="File with signed checkpoints (surefoot checkpoint).",
)
@click.option(
    "--from", "first", type=_NUMBER, help="First entry of a segment; else the first of all."
)
@click.option(
    "--to", "last", type=_NUMBER, help="Last entry, where a checkpoint was signed; else the newest."
)
@click.option("--entry", type=_NUMBER, help="Prove this entry instead of sealing a range.")
@click.option(
    "--grown-from", "old", type=_NUMBER, help="Prove that so many first entries are still the same."
)
@click.option(
    "--name-chain",
    is_flag=True,
    help="Put the journal's first entry into a segment too, which proves the name of its chain.",
)
@click.option("--with-secrets", is_flag=True, help="Also where a URL in it holds a password.")
def export(
    file: Path,
    journal: JournalLocation | None,
    checkpoints: Path,
    *,
    first: int | None,
    last: int | None,
    entry: int | None,
    old: int | None,
    name_chain: bool,
    with_secrets: bool,
) -> None:
    """Seal a range of a journal's entries into FILE, or prove one entry, or that it only grew."""
    from rollout.journal.jsonl import write_lines
    from rollout.journal.segment import seal_segment, to_lines

    if entry is not None and old is not None:
        raise InputError("--entry and --grown-from are two proofs: write each into its own file")
    if name_chain and (entry is not None or old is not None):
        raise InputError("--name-chain is for a segment: a proof has one entry or none")
    if first is not None and (entry is not None or old is not None):
        raise InputError("--from is for a segment: a proof is of the whole tree")
    signed, rows = read_checkpoints(checkpoints), read_rows(journal)
    checkpoint = _choose(signed, rows, last)
    begins = first or 1
    segment = seal_segment(rows, begins, checkpoint, names_chain=name_chain)
    size = checkpoint.checkpoint.size
    if entry is not None:
        handed = [row for row in segment.rows if row.seq == entry]
    else:
        handed = [] if old is not None else [*segment.rows, *(rows[:1] if name_chain else ())]
    _refuse_secrets(handed, with_secrets=with_secrets)
    if entry is None and old is None:
        write_lines(to_lines(segment), file)
        own = f", and name chain {segment.chain}" if segment.chain else ""
        click.echo(f"entries {begins:,} to {size:,} are sealed in {file}{own}")
        return
    write_lines(_prove(segment.rows, checkpoint, entry, old).splitlines(), file, file.suffix)
    own_id = f" of entry {EntryId(segment.chain, entry)}" if entry else ""
    click.echo(f"the proof{own_id} for the checkpoint of {size:,} entries is in {file}")


def _choose(
    signed: Sequence[SignedCheckpoint], rows: Sequence[Row], last: int | None
) -> SignedCheckpoint:
    """Return the newest checkpoint, or the one of `last` entries. Raises InputError."""
    sizes = sorted({own.checkpoint.size for own in signed})
    wanted = max(sizes) if last is None else last
    if wanted not in sizes:
        near = min(sizes, key=lambda size: abs(size - wanted))
        raise InputError(
            f"no checkpoint was signed at entry {wanted:,}: sign one, or end with {near:,}"
        )
    if wanted > len(rows):
        raise JournalError(
            f"a checkpoint was signed over {wanted:,} entries, and the journal has {len(rows):,}: "
            "newer ones were cut off"
        )
    return next(own for own in signed if own.checkpoint.size == wanted)


def _refuse_secrets(rows: Sequence[Row], *, with_secrets: bool) -> None:
    from rollout.explain.log import holds_secret

    seq = None if with_secrets else next((row.seq for row in rows if holds_secret(row)), None)
    if seq is not None:
        raise InputError(
            f"entry {seq:,} holds the password of a URL, and an export cannot hide it, because a "
            "sealed text is never altered: --with-secrets exports it all the same"
        )


def _prove(
    rows: Sequence[Row], signed: SignedCheckpoint, entry: int | None, old: int | None
) -> str:
    from rollout.checkpoint.proof import prove_consistency, prove_inclusion
    from rollout.checkpoint.proof_file import format_entry, format_growth

    leaves = read_leaves(rows)
    wanted = entry or old or 0
    if wanted > len(leaves):
        raise InputError(f"the checkpoint was signed over {len(leaves):,} entries only")
    if old is not None:
        return format_growth(old, prove_consistency(leaves, old), signed.note)
    index = wanted - 1
    return format_entry(index, leaves[index], prove_inclusion(leaves, index), signed.note)
