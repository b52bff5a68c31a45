"""The decision log: which entries a reader asked for, and an entry as a JSON object."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rollout.decide.record.facts import Decided, HumanSaid, Lived, Observed
from rollout.decide.record.reasons import split_reason
from rollout.journal.hash_chain import document
from rollout.journal.index import matching, names
from rollout.ports import Entry
from rollout.redact import redact_values


def as_document(entry: Entry) -> dict[str, Any]:
    """Return one entry as a JSON object, as the help of `surefoot log` describes it.

    Passwords of URLs are hidden; `redacted` then says that the hash is not of what is printed.
    """
    fact = document(entry.fact)
    head = {"seq": entry.seq, "at": to_utc(entry.fact.at).isoformat(timespec="microseconds")}
    head |= {"rollout": fact.pop("rollout"), "kind": fact.pop("kind")}
    del fact["at"]  # the head has it, as a date
    redacted = redact_values(fact)
    mark = {"redacted": True} if redacted != fact else {}
    return {**head, **redacted, **mark, "hash": entry.hash}


def to_utc(at: float) -> datetime:
    """Return the moment of a unix time, in UTC."""
    return datetime.fromtimestamp(at, UTC)


def select_entries(chunks: Iterator[Sequence[Entry]], name: str | None) -> Iterator[Entry]:
    """Yield the entries of the rollouts of one name, or all entries without a name.

    Rollouts of that name that start while the log is followed are included. Raises InputError
    when the first chunk, which is the whole journal so far, does not know the name.
    """
    plan_names: dict[str, str] = {}
    for chunk in chunks:
        if name is None:
            yield from chunk
        else:
            plan_names |= names(chunk)
            ids = matching(plan_names, name)
            yield from (entry for entry in chunk if entry.fact.rollout in ids)


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

    def passes(self, entry: Entry) -> bool:
        """Return whether all conditions hold of an entry; those of one kind are alternatives."""
        fact = entry.fact
        if isinstance(fact, Observed | Lived) and not self.has_observations:
            return False
        if self.since is not None and fact.at < self.since:
            return False
        if self.until is not None and fact.at >= self.until:
            return False
        if self.actors and not (isinstance(fact, HumanSaid) and fact.actor in self.actors):
            return False
        if self.actions and not (isinstance(fact, Decided) and fact.action in self.actions):
            return False
        return not self.reasons or (isinstance(fact, Decided) and self._has_reason(fact))

    def _has_reason(self, decided: Decided) -> bool:
        """Return whether one of the reasons is named, with or without its subject."""
        given = {*decided.reasons, *(split_reason(reason)[0] for reason in decided.reasons)}
        return not given.isdisjoint(self.reasons)
