"""`surefoot log`: the decision log, for people or as JSON lines; verified as it is read."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import click

from rollout.cli.options.journal import READ, journal_option
from rollout.cli.text.facts import clean, sentence, what
from rollout.decide.record.facts import Decided, Observed
from rollout.errors import InputError
from rollout.journal.hash_chain import document
from rollout.journal.index import matching, names
from rollout.journal.location import JournalLocation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rollout.decide.record.facts import Fact
    from rollout.journal.hash_chain import Row
    from rollout.ports import Entry, Journal

_POLL = 0.5  # seconds between two readings with -f
_COLOURS = {"roll back": "red", "undo": "red", "route-failed": "red"}
_COLOURS |= {"promote": "green", "advance": "green", "hold back": "green"}
_COLOURS |= {"pause": "yellow", "human-said": "cyan", "drifted": "yellow", "refused": "red"}


def as_document(entry: Entry) -> dict[str, Any]:
    """One entry as JSON: seq, at (ISO 8601, UTC), rollout, kind, the fact's own fields, hash."""
    fact = document(entry.fact)
    head = {"seq": entry.seq, "at": _utc(entry.fact.at).isoformat(timespec="microseconds")}
    head |= {"rollout": fact.pop("rollout"), "kind": fact.pop("kind")}
    del fact["at"]
    return {**head, **fact, "hash": entry.hash}


def print_entry(entry: Entry) -> None:
    """Print one entry for people; nothing for a mere observation."""
    if not isinstance(entry.fact, Observed):
        _print_line(entry)


def _print_line(entry: Entry) -> None:
    click.echo(_line(entry))


def _print_json(entry: Entry) -> None:
    click.echo(json.dumps(as_document(entry), ensure_ascii=False))


def _line(entry: Entry) -> str:
    fact = entry.fact
    at = _utc(fact.at).strftime("%Y-%m-%d %H:%M:%SZ")
    did = click.style(f"{what(fact):<16}", fg=_colour(fact))
    return f"{at}  {entry.seq:>5}  {clean(fact.rollout)}  {did}  {sentence(fact)}".rstrip()


def _colour(fact: Fact) -> str | None:
    return _COLOURS.get(fact.action if isinstance(fact, Decided) else fact.kind)


def _utc(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def batches(journal: Journal, over: Event | None) -> Iterator[Sequence[Entry]]:
    """What the journal holds, then what is appended until `over`; verified. JournalError."""
    seq = 0
    while True:
        entries = journal.read(seq)
        seq = entries[-1].seq if entries else seq
        yield entries
        if over is None or over.wait(_POLL):
            return


def _until_interrupted() -> Event:
    """Set by Ctrl-C; an exception could be lost in the middle of a database's call-back."""
    over = Event()
    signal.signal(signal.SIGINT, lambda _number, _frame: over.set())
    return over


def chosen(parts: Iterator[Sequence[Entry]], name: str | None) -> Iterator[Entry]:
    """The entries of one name's rollouts, later ones included. Raises InputError when unknown."""
    known: dict[str, str] = {}
    for part in parts:
        if name is None:
            yield from part
        else:
            known |= names(part)
            ids = matching(known, name)
            yield from (entry for entry in part if entry.fact.rollout in ids)


def _export(rows: Sequence[Row], path: Path, name: str | None) -> None:
    from rollout.journal import jsonl

    if name is not None:
        raise InputError("the seals of a journal hold for all of it: --export takes no NAME")
    jsonl.export(rows, path)
    click.echo(f"{len(rows)} entries in {path}, sealed by {rows[-1].hash if rows else 'nothing'}")


@click.command(
    short_help="Print the decision log.",
    epilog="""\b
Examples:
  surefoot log
  surefoot log -f discharge-summarizer-v2
  surefoot log --json | jq 'select(.kind == "decided") | .sentence'
  surefoot log --export june.jsonl      then: surefoot log --journal june.jsonl

\b
With --json each line is one object: seq, at (ISO 8601, UTC), rollout, kind, the fields of that
kind of fact, hash. The chain of hashes is verified on reading; a broken one ends with exit code 1
and nothing after the last sound reading is printed.""",
)
@click.argument("name", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on as the log grows, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@journal_option(READ)
@click.option("--all", "everything", is_flag=True, help="Raw observations too.")
@click.option("--export", type=click.Path(path_type=Path), help="Copy all to a new .jsonl file.")
def log(
    name: str | None,
    journal: JournalLocation | None,
    export: Path | None,
    *,
    follow: bool,
    as_json: bool,
    everything: bool,
) -> None:
    """Print what was decided and done, in order, of all rollouts or of NAME (a plan's or an id)."""
    from rollout.journal.location import default_path
    from rollout.journal.open import open_for_reading

    opened = open_for_reading(journal or default_path())
    if export is not None:
        _export(opened.rows(), export, name)
        return
    show = _print_json if as_json else _print_line
    over = _until_interrupted() if follow else None
    try:
        for entry in chosen(batches(opened, over), name):
            if everything or not isinstance(entry.fact, Observed):
                show(entry)
    finally:
        opened.close()
