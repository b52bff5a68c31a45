"""The decision log: which entries a reader asked for, and an entry as a JSON object."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from rollout.decide.record.facts import Decided, HumanSaid
from rollout.decide.record.reasons import split_reason
from rollout.explain.entry import clean
from rollout.journal.entry_id import EntryId
from rollout.journal.hash_chain import Row, document
from rollout.journal.index import list_newest
from rollout.ports import Entry
from rollout.redact import has_secret, redact_values

_LOOKS = {"observed", "lived"}  # entries of looks that decided nothing


def as_document(entry: Entry, chain: str | None = None) -> dict[str, Any]:
    """Return one entry as a JSON object, as the help of `surefoot log` describes it.

    With its chain's name it has its id as well, which holds among all journals.
    Passwords of URLs are hidden; `redacted` then says that the hash is not of what is printed.
    """
    fact = document(entry.fact)
    head = {"seq": entry.seq, "at": to_utc(entry.fact.at).isoformat(timespec="microseconds")}
    head |= {"rollout": fact.pop("rollout"), "kind": fact.pop("kind")}
    del fact["at"]  # the head has it, as a date
    redacted = redact_values(fact)
    mark = {"redacted": True} if redacted != fact else {}
    own = {"entry": str(EntryId(chain, entry.seq))} if chain else {}
    return {**head, **redacted, **mark, "hash": entry.hash, **own}


def to_utc(at: float) -> datetime:
    """Return the moment of a unix time, in UTC."""
    return datetime.fromtimestamp(at, UTC)


def holds_secret(row: Row) -> bool:
    """Return whether a row holds the password of a URL, so that its text may not be shown."""
    # Only few rows hold an address at all: the others are not parsed.
    return "://" in row.text and has_secret(json.loads(row.text))


@dataclass(frozen=True, slots=True)
class Headline:
    """What an entry is looked up by; empty where it has none of that."""

    seq: int
    at: float
    rollout: str
    kind: str
    action: str
    reasons: tuple[str, ...]
    actor: str


def headline(entry: Entry) -> Headline:
    """Return the headline of an entry."""
    fact = entry.fact
    action, reasons = (fact.action, fact.reasons) if isinstance(fact, Decided) else ("", ())
    actor = fact.actor if isinstance(fact, HumanSaid) else ""
    return Headline(entry.seq, fact.at, fact.rollout, fact.kind, action, reasons, actor)


@dataclass(frozen=True)
class EntryFilter:
    """Which entries are printed; what is empty or None lets all of them pass."""

    actions: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    actors: tuple[str, ...] = ()
    since: float | None = None  # unix seconds, included
    until: float | None = None  # unix seconds, not included
    has_observations: bool = False

    @property
    def is_possible(self) -> bool:
        """Whether there is any time that both ends let pass."""
        return self.since is None or self.until is None or self.since < self.until

    def passes(self, line: Headline) -> bool:
        """Return whether all conditions hold of an entry; those of one kind are alternatives."""
        if line.kind in _LOOKS and not self.has_observations:
            return False
        if self.since is not None and line.at < self.since:
            return False
        if self.until is not None and line.at >= self.until:
            return False
        if self.actors and line.actor not in self.actors:
            return False
        if self.actions and line.action not in self.actions:
            return False
        return not self.reasons or self._has_reason(line)

    def _has_reason(self, line: Headline) -> bool:
        """Return whether one of the reasons is named, with or without its subject."""
        given = {*line.reasons, *(split_reason(reason)[0] for reason in line.reasons)}
        return not given.isdisjoint(self.reasons)


@dataclass
class Sieve:
    """A filter that remembers what entries could have been found by, for when it finds none."""

    wanted: EntryFilter
    _count: int = 0  # entries that were looked at
    _has_passed: bool = False
    # In the order in which they came, without repeats.
    _actors: dict[str, None] = field(default_factory=dict)
    _actions: dict[str, None] = field(default_factory=dict)
    _reasons: dict[str, None] = field(default_factory=dict)
    _first: float | None = None  # unix seconds
    _last: float | None = None

    def passes(self, entry: Entry) -> bool:
        """Return whether an entry passes the filter."""
        line = headline(entry)
        passes = self.wanted.passes(line)
        if not (passes or self._has_passed):
            self._remember(line)
        self._has_passed |= passes
        return passes

    def _remember(self, line: Headline) -> None:
        self._count += 1
        self._actors |= {line.actor: None} if line.actor else {}
        self._actions |= {line.action: None} if line.action else {}
        self._reasons |= dict.fromkeys(line.reasons)
        self._first = line.at if self._first is None else min(self._first, line.at)
        self._last = line.at if self._last is None else max(self._last, line.at)

    def describe_nothing(self) -> str:
        """Say that nothing has passed, and what could have; empty where something has."""
        if self._has_passed:
            return ""
        if self._first is None or self._last is None:
            return "there is no entry yet"
        wanted, texts = self.wanted, [f"none of {self._count:,} entries passes"]
        if wanted.actors and (wanted.actions or wanted.reasons):
            texts.append("persons give commands, decisions have actions and reasons: ask for one")
        if wanted.actors:
            texts.append(f"persons: {_list(self._actors)}")
        if wanted.actions:
            texts.append(f"actions: {_list(self._actions)}")
        if wanted.reasons:
            texts.append(f"reasons: {_list(self._reasons)}")
        if wanted.since is not None or wanted.until is not None:
            texts.append(f"times: {_format(self._first)} to {_format(self._last)}")
        return "; ".join(texts)


def _list(words: dict[str, None]) -> str:
    return list_newest(map(clean, words))


def _format(at: float) -> str:
    return to_utc(at).strftime("%Y-%m-%dT%H:%M:%SZ")
