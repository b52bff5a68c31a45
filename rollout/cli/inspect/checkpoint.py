"""`surefoot checkpoint`: sign a journal's size and hash, to a file, an annotation or stdout."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from rollout.cli.inspect.verify import read_leaves, read_rows
from rollout.cli.options.journal import READ, journal_option
from rollout.errors import InputError
from rollout.journal.location import JournalLocation

_NEW_KEY = "--new-key NAME makes one"


@click.command(
    short_help="Sign how many entries a journal has, and their hash.",
    epilog="""\b
Examples:
  surefoot checkpoint --key signing.key --new-key hospital.example/surefoot > verify.key
  surefoot checkpoint --key signing.key --to checkpoints.txt
  surefoot verify --checkpoints checkpoints.txt --verifier verify.key
  surefoot checkpoint --key signing.key --annotate configmap/surefoot-checkpoints --namespace audit

Keep checkpoints where whoever writes the journal cannot change them: in a repository, in a bucket
with object lock, on paper. An annotation holds the newest, and only one that the journal has grown
from is replaced. The formats are C2SP tlog-checkpoint and signed-note (Ed25519), the
hash is the root of an RFC 6962 tree over the entries' texts.""",
)
@journal_option(READ)
@click.option(
    "--key",
    type=click.Path(path_type=Path),
    required=True,
    help="File with the signing key, its owner's alone.",
)
@click.option(
    "--new-key",
    "name",
    metavar="NAME",
    help="Make the signing key, and print the one that verifies.",
)
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    help="Append the checkpoint to this file instead of printing it.",
)
@click.option(
    "--annotate",
    "annotated",
    metavar="KIND/NAME",
    help="Write the checkpoint to the annotation surefoot.dev/checkpoint of a configmap or a "
    "rolloutplan.",
)
@click.option("--namespace", default="default", show_default=True, help="Namespace of that object.")
@click.option("--context", help="Context of the kubeconfig; in a pod its own cluster is used.")
def checkpoint(
    journal: JournalLocation | None,
    key: Path,
    name: str | None,
    to: Path | None,
    *,
    annotated: str | None,
    namespace: str,
    context: str | None,
) -> None:
    """Sign the number of entries of a journal and the hash of all of them."""
    if name is not None:
        if to is not None or annotated is not None:
            raise InputError("--new-key only makes a key: sign with a second call")
        _make_key(key, name)
        return
    from rollout.checkpoint import note
    from rollout.journal.key_file import read_private
    from rollout.kube.checkpoint_annotation import annotate, parse_object

    where = None if annotated is None else parse_object(annotated, namespace)
    rows = read_rows(journal)
    leaves = read_leaves(rows)
    secret = read_private(key, _NEW_KEY).decode("utf-8-sig", "replace")
    signed = note.sign(len(rows), _find_root(leaves, len(rows)), secret)
    if where is not None:
        from rollout.wire.cluster import open_cluster

        annotate(open_cluster(context), where, signed, partial(_find_root, leaves))
        click.echo(f"{len(rows):,} entries are signed in {annotated}", err=True)
    if to is not None:
        # A pipe that nobody reads is told, and not waited for.
        if to.is_symlink():
            raise InputError(f"{to} is a link: name a file")
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOFOLLOW
        with os.fdopen(os.open(to, flags, 0o666), "a", encoding="utf-8") as file:
            file.write(f"{signed}\n")
        click.echo(f"{len(rows):,} entries are signed in {to}", err=True)
    if to is None and where is None:
        click.echo(signed, nl=False)


def _make_key(key: Path, name: str) -> None:
    """Make a key pair, and print the half that verifies. Raises InputError."""
    from rollout.checkpoint import note
    from rollout.journal.key_file import write_private

    secret, verifier = note.make_key(name)
    try:
        write_private(key, f"{secret}\n".encode())
    except FileExistsError:
        raise InputError(f"{key} exists already: choose another name") from None
    click.echo(verifier)


def _find_root(leaves: Sequence[bytes], size: int) -> bytes:
    from rollout.checkpoint.merkle import roots

    return roots(leaves, {size})[size]
