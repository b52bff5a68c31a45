"""What happened: decisions, writes, edits of others, and what people asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from rollout.decide.record.facts import Decided, HumanSaid, Learned, Started
from rollout.decide.record.route_facts import Confirmed, Drifted, Followed, RouteFailed
from rollout.decide.record.split import Split
from rollout.experiment.frame import to_time
from rollout.explain.entry import clean, sentence, what
from rollout.review.history import RecordedRollout

_SHOWN = Started, Learned, Decided, HumanSaid, Confirmed, Followed, Drifted, RouteFailed


@dataclass(frozen=True)
class EventRow:
    """One entry of the journal that changed something; `entry` is its number.

    `share` is the canary's share of traffic that the mesh had confirmed before, `to` the one that
    the entry asks for or shows. `actor` is the person who asked.
    """

    entry: int
    at: datetime
    seconds: float
    event: str
    share: float
    to: float | None
    actor: str
    reasons: str
    sentence: str


@dataclass(frozen=True)
class WeightRow:
    """The canary's confirmed share of traffic, from `seconds` on; the last row is the end."""

    seconds: float
    share: float


def timeline(record: RecordedRollout) -> Iterator[EventRow]:
    """Yield what happened, in order. Looks are not among it: see `rates` and `evidence`."""
    before = record.states[0]
    timed = zip(record.entries, record.states, record.elapsed, strict=True)
    for entry, state, seconds in timed:
        fact = entry.fact
        if isinstance(fact, _SHOWN):
            split = _find_split(fact)
            yield EventRow(
                entry=entry.seq,
                at=to_time(fact.at),
                seconds=seconds,
                event=what(fact),
                share=before.split.served_share,
                to=split.served_share if split else None,
                actor=clean(fact.actor) if isinstance(fact, HumanSaid) else "",
                reasons=", ".join(fact.reasons) if isinstance(fact, Decided) else "",
                sentence=sentence(fact),
            )
        before = state


def _find_split(fact: object) -> Split | None:
    if isinstance(fact, Decided | Confirmed):
        return fact.split
    return fact.seen if isinstance(fact, Drifted) else None


def weights(record: RecordedRollout) -> Iterator[WeightRow]:
    """Yield the confirmed share after each change, and once more at the end."""
    for weight in record.weights:
        yield WeightRow(weight.seconds, weight.share)
    yield WeightRow(record.lasted, record.weights[-1].share)
