"""Open a journal, a recording or a database for analysts: every rollout in it by its name."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, get_args

from rollout.decide.record.facts import Started
from rollout.errors import InputError, JournalError, ReplayError
from rollout.experiment.experiment import Experiment
from rollout.experiment.frame import Library, to_frame, to_time
from rollout.experiment.tables.scorecard import count_looks
from rollout.explain.difference import FieldChange, compare_documents
from rollout.journal import index
from rollout.journal.location import from_words
from rollout.journal.open import open_for_reading
from rollout.plan.fields.units import duration
from rollout.ports import Entry
from rollout.review.history import history

_MOST_CHANGES = 4  # of an edited plan, on a card


@dataclass(frozen=True)
class OverviewRow:
    """One rollout of a journal; `lasted` is in seconds."""

    rollout: str
    name: str
    service: str
    stable: str
    canary: str
    outcome: str
    started: datetime
    lasted: float
    looks: int
    decisions: int


def read(source: str | Path, frames: Library = "pandas", *, force: bool = False) -> Experiments:
    """Open a journal: a `.db` or `.jsonl` file, a sealed segment's own rollouts, or a URL.

    `frames` names the library whose frames the tables are: pandas, polars or pyarrow. The chain of
    hashes is checked first; `force` opens a journal that fails this check, and every card says so.

    Raises:
        InputError: there is no journal, or no such library.
        JournalError: the journal was altered, and `force` is not given.
    """
    if frames not in get_args(Library):
        raise InputError(f"there are no {frames!r} frames: choose {', '.join(get_args(Library))}")
    opened = open_for_reading(from_words(str(source)))
    doubt = ""
    try:
        entries: Iterable[Entry] = opened.read()
    except JournalError as error:
        doubt, entries = str(error), [*opened.read_unverified()]  # raises for what is no journal
        if not force:
            raise JournalError(f"{error}; force=True (or --force) opens it anyway") from error
    finally:
        opened.close()
    return Experiments(index.by_rollout(entries), frames, doubt)


class Experiments(Mapping[str, Experiment]):
    """The rollouts of a journal, by id or by plan name; of one plan's rollouts the newest."""

    def __init__(
        self, entries: Mapping[str, list[Entry]], frames: Library = "pandas", doubt: str = ""
    ) -> None:
        self._entries, self._frames, self._doubt = entries, frames, doubt
        self._names = index.names(entry for own in entries.values() for entry in own)
        self._opened: dict[str, Experiment] = {}

    def __getitem__(self, name: str) -> Experiment:
        """Return a rollout by id or plan name. Raises InputError, which lists the names."""
        return self._open(index.matching(self._names, name)[-1])

    def __iter__(self) -> Iterator[str]:
        """Yield the rollouts' ids; the one that started last comes last."""
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names or name in self._names.values()

    def named(self, name: str) -> list[Experiment]:
        """Return every rollout of a plan's name, the newest last. Raises InputError."""
        return [*map(self._open, index.matching(self._names, name))]

    def _open(self, rollout: str) -> Experiment:
        if rollout not in self._opened:
            try:
                record = history(self._entries[rollout])
            except (ReplayError, ValueError) as error:
                raise JournalError(f"{rollout} cannot be read: {error}") from error
            compare = partial(self._compare, rollout)
            self._opened[rollout] = Experiment(record, self._frames, compare, self._doubt)
        return self._opened[rollout]

    def _compare(self, rollout: str) -> dict[str, str]:
        """Return the other rollouts of the same plan name, each with how its plan differs."""
        ids = index.find_matching(self._names, self._names[rollout])
        plans = {own: _find_plan(self._entries[own]) for own in ids}
        return {
            other: _describe_edit(compare_documents(plan, plans[rollout]), other)
            for other, plan in plans.items()
            if other != rollout
        }

    def overview(self) -> Any:
        """Return one row for each rollout, as a frame."""
        return to_frame(self._list_rows(), OverviewRow, self._frames)

    def _list_rows(self) -> Iterator[OverviewRow]:
        for rollout in self:
            record = self[rollout].record
            stable, canary = record.state.versions
            yield OverviewRow(
                rollout=rollout,
                name=self._names[rollout],
                service=record.state.plan.spec.service,
                stable=stable,
                canary=canary,
                outcome=record.state.phase,
                started=to_time(record.state.started_at),
                lasted=record.lasted,
                looks=record.looks_count,
                decisions=record.decisions_count,
            )

    def __repr__(self) -> str:
        lines = [
            f"{row.name}: {row.service} {row.stable} to {row.canary}, {row.outcome} "
            f"after {duration(max(round(row.lasted), 0))} ({count_looks(row.looks)})"
            for row in self._list_rows()
        ]
        doubts = [f"NOT VERIFIED: {self._doubt}"] if self._doubt else []
        return "\n".join([*doubts, *(lines or ["no rollout is recorded yet"])])

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"


def _find_plan(entries: Iterable[Entry]) -> Mapping[str, Any]:
    """Return the plan that a rollout began with, as plain data; none where it is not recorded."""
    facts = (entry.fact for entry in entries)
    return next((fact.plan for fact in facts if isinstance(fact, Started)), {})


def _describe_edit(changes: Sequence[FieldChange], other: str) -> str:
    """Describe how another rollout's plan differs."""
    if not changes:
        return "the same plan"
    rest = len(changes) - _MOST_CHANGES
    listed = "; ".join(map(str, changes[:_MOST_CHANGES]))
    more = f"; {rest} more fields: `surefoot diff {other}`" if rest > 0 else ""
    return f"another plan; from it to this one: {listed}{more}"
