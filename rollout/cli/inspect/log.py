"""`surefoot log`: print the decision log as text or JSON lines, and verify it on reading."""

from __future__ import annotations

import json
import signal
import sys
from collections import deque
from itertools import takewhile
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, get_args

import click

from rollout.cli.inspect.log_entries import LogSource, read_batches, read_newest, select_entries
from rollout.cli.options.journal import READ, journal_option
from rollout.cli.options.param_types import ALL, MOMENT, NEWEST, Words
from rollout.decide.record.facts import Action, Decided, Lived, Observed
from rollout.errors import InputError
from rollout.explain.entry import clean, name_act, sentence, what
from rollout.explain.log import (
    EntryFilter,
    Sieve,
    as_document,
    holds_secret,
    to_utc,
)
from rollout.journal.entry_id import find_chain
from rollout.journal.location import JournalLocation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rollout.decide.record.facts import Fact
    from rollout.explain.moment import Moment
    from rollout.journal.hash_chain import Row
    from rollout.ports import Entry

_ON_A_TERMINAL = 1000  # entries, where nothing else is asked for
_COLOURS = {"roll back": "red", "undo": "red", "route-failed": "red"}
_COLOURS |= {"promote": "green", "advance": "green", "hold back": "green"}
_COLOURS |= {"pause": "yellow", "human-said": "cyan", "drifted": "yellow", "refused": "red"}


def print_entry(entry: Entry) -> None:
    """Print one entry as text; skip observations, which come at every look."""
    if not isinstance(entry.fact, Observed | Lived):
        _print_line(entry)


def _print_line(entry: Entry) -> None:
    click.echo(_format_line(entry))


def _print_json(entry: Entry, chain: str | None) -> None:
    click.echo(json.dumps(as_document(entry, chain), ensure_ascii=False))


def _format_line(entry: Entry) -> str:
    fact = entry.fact
    at = to_utc(fact.at).strftime("%Y-%m-%d %H:%M:%SZ")
    event = click.style(f"{what(fact):<16}", fg=_choose_colour(fact))
    return f"{at}  {entry.seq:>5}  {clean(fact.rollout)}  {event}  {sentence(fact)}".rstrip()


def _choose_colour(fact: Fact) -> str | None:
    return _COLOURS.get(name_act(fact) if isinstance(fact, Decided) else fact.kind)


def _stop_on_interrupt() -> Event:
    """Return an event that Ctrl-C sets.

    A KeyboardInterrupt would not do: a callback of the database driver can swallow it.
    """
    over = Event()
    signal.signal(signal.SIGINT, lambda _number, _frame: over.set())
    return over


def _export(rows: Sequence[Row], path: Path, *, is_whole: bool, with_secrets: bool) -> None:
    from rollout.journal import jsonl

    if not is_whole:
        raise InputError(
            "--export copies the whole journal, so that its hashes stay valid: remove NAME and "
            "what filters"
        )
    seq = None if with_secrets else next((row.seq for row in rows if holds_secret(row)), None)
    if seq is not None:
        raise InputError(
            f"entry {seq:,} holds the password of a URL, and an export cannot hide it, because a "
            "sealed text is never altered: --with-secrets exports it all the same"
        )
    jsonl.export(rows, path)
    click.echo(f"{len(rows):,} entries in {path}, last hash {rows[-1].hash if rows else 'none'}")


@click.command(
    short_help="Print the decision log.",
    epilog="""\b
Examples:
  surefoot log
  surefoot log -n 20
  surefoot log -f discharge-summarizer-v2
  surefoot log --action roll-back --action pause --since 7d
  surefoot log --reason harmful --reason blind:errors --until 2026-06-01
  surefoot log --json | jq 'select(.kind == "decided") | .sentence'
  surefoot log --export june.jsonl      then: surefoot log --journal june.jsonl

With --json each line is one object: seq, at (ISO 8601, UTC), rollout, kind, the fields of that
kind of fact, hash, entry (CHAIN.NUMBER, its id among all journals); and `redacted` where the
password of a URL is hidden, so that the hash is of another text. Reading verifies the hash chain:
where it is broken, printing stops with exit code 1.""",
)
@click.argument("name", required=False)
@click.option("-f", "--follow", is_flag=True, help="Follow the log until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@click.option(
    "-n",
    "--lines",
    type=NEWEST,
    help="Only the newest N entries that pass, or `all`. A terminal gets "
    f"{_ON_A_TERMINAL:,} where nothing is selected, a pipe or a file all.",
)
@journal_option(READ)
@click.option(
    "--all", "everything", is_flag=True, help="Also print what each look counted, or did not."
)
@click.option(
    "--action",
    "actions",
    multiple=True,
    type=Words(get_args(Action)),
    metavar="ACTION",
    help="Only decisions with this action: " + ", ".join(get_args(Action)) + ".",
)
@click.option(
    "--reason",
    "reasons",
    multiple=True,
    metavar="CODE",
    help="Only decisions with this reason: harmful, or harmful:errors.",
)
@click.option("--actor", "actors", multiple=True, help="Only commands that this person gave.")
@click.option("--since", type=MOMENT, help="Only from this time on, or from so long ago (2h).")
@click.option("--until", type=MOMENT, help="Only from before this time, or from before 2h ago.")
@click.option(
    "--export", type=click.Path(path_type=Path), help="Copy the whole journal to a new .jsonl file."
)
@click.option(
    "--with-secrets", is_flag=True, help="Export it although a URL in it holds a password."
)
def log(
    name: str | None,
    journal: JournalLocation | None,
    export: Path | None,
    *,
    follow: bool,
    as_json: bool,
    everything: bool,
    with_secrets: bool,
    lines: int | None,
    actions: tuple[str, ...],
    reasons: tuple[str, ...],
    actors: tuple[str, ...],
    since: Moment | None,
    until: Moment | None,
) -> None:
    """Print what was decided and done, of all rollouts or of NAME (a plan's name or an id).

    Options that filter may be given several times, which are alternatives; all kinds must hold.
    """
    if follow and export is not None:
        raise InputError("--export ends with the newest entry: leave out --follow")
    if lines is not None and export is not None:
        raise InputError("--export copies the whole journal: leave out --lines")
    if with_secrets and export is None:
        raise InputError("--with-secrets is for --export: what is printed hides every password")
    from rollout.journal.location import default_path
    from rollout.journal.open import open_for_reading
    from rollout.wire.clock import SystemClock

    now = SystemClock().now()
    wanted = EntryFilter(
        actions,
        reasons,
        actors,
        since(now) if since else None,
        until(now) if until else None,
        everything,
    )

    if not wanted.is_possible:
        raise InputError("nothing is both since --since and before --until, which is earlier")
    opened = open_for_reading(journal or default_path())
    if export is not None:
        is_whole = name is None and wanted == EntryFilter(has_observations=everything)
        _export(opened.rows(), export, is_whole=is_whole, with_secrets=with_secrets)
        return
    over = _stop_on_interrupt() if follow else None
    if lines is None:
        is_selected = name is not None or wanted != EntryFilter()
        lines = ALL if is_selected or as_json or not sys.stdout.isatty() else _ON_A_TERMINAL
    try:
        _print_all(_choose_entries(opened, over, name, lines, wanted), opened, as_json=as_json)
    finally:
        opened.close()


def _choose_entries(
    journal: LogSource, over: Event | None, name: str | None, lines: int, wanted: EntryFilter
) -> Iterator[Entry]:
    """Yield what is to be printed; what was not read, and so not verified, is told on stderr."""
    after, sieve = 0, Sieve(wanted)
    if lines and name is None:
        newest, span = read_newest(journal, lines, sieve)
        if span.first > 1:
            click.echo(f"surefoot: {span} (-n all prints older ones)", err=True)
        yield from newest
        after = span.last
        if over is None:
            return
    batches = read_batches(journal, over, after=after, has_observations=wanted.has_observations)
    selected = select_entries(batches, name, sieve)
    if lines and name is not None:
        yield from filter(None, deque(takewhile(bool, selected), lines))
    yield from filter(None, selected)


def _print_all(entries: Iterable[Entry], journal: LogSource, *, as_json: bool) -> None:
    chain = None
    for entry in entries:
        if as_json:
            # Asked for here, because a journal that is followed may begin empty.
            chain = chain or find_chain(journal)
            _print_json(entry, chain)
        else:
            _print_line(entry)
