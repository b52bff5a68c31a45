"""What the pages show, as plain values: pure functions of a journal's states and entries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rollout.decide.record.facts import Decided
from rollout.decide.record.route_facts import Confirmed, Followed, RouteFailed
from rollout.decide.state.rollout import TERMINAL, RolloutState
from rollout.experiment.card import VERDICT_SHAPES
from rollout.explain.entry import clean, sentence, what
from rollout.explain.log import EntryFilter, Headline, as_document
from rollout.explain.recorded import list_recorded_lines
from rollout.explain.status import (
    Line,
    Report,
    RolloutStanding,
    find_standing,
    find_wish,
    report,
)
from rollout.journal.entry_id import EntryId
from rollout.plan.fields.units import duration
from rollout.ports import Entry
from rollout.redact import redact

SHAPES = {**VERDICT_SHAPES, "paused": "‖"}
"""A shape for each verdict, so that no verdict is told by its colour alone."""

PAGE = 50
"""Entries on one page of the log."""

MOST_CARDS = 24
"""Rollouts on the first page; those left out have ended, unless more than this are under way."""

MOST_SERVICES = 200
"""Services that the first page names."""

_CALLS = {"paused", "retreated"}  # phases in which a person is awaited
_CALLING_WISHES = {"roll back", "retreat", "pause"}  # what full authority would have done by itself


@dataclass(frozen=True)
class Card:
    """One rollout among the others. `chips` are each guardrail's name and verdict."""

    standing: RolloutStanding
    chips: tuple[tuple[str, str], ...]
    sentence: str
    next: str
    problem: str  # of the mesh
    calls: str  # why a person is needed; empty where nobody is
    lasts: str
    blind: str  # for how long the first blind guardrail has been so; empty where none is


@dataclass(frozen=True)
class Bar:
    """A guardrail's evidence as a picture: shares of what decides in percent, and an interval.

    A share may be above 100, and is drawn up to there. Places on the axis are from 0 to 100; None
    where there is nothing to draw.
    """

    line: Line
    harm: int
    safe: int
    zero: float = 50.0
    allowed: float | None = None
    low: float | None = None
    high: float | None = None
    estimate: float | None = None
    words: str = "no data"


@dataclass(frozen=True)
class LogLine:
    """One entry in words, and as the document that its hash is of."""

    seq: int
    id: str  # that no other journal has
    at: float
    rollout: str
    what: str
    sentence: str
    hash: str
    kind: str
    document: Mapping[str, object]
    is_decision: bool


def cards(states: Mapping[str, RolloutState], now: float) -> list[Card]:
    """Return every rollout, those first that need a person, then those under way, newest first."""
    every = [_card(rollout, state, now) for rollout, state in reversed([*states.items()])]
    every.sort(key=lambda card: (not card.calls, card.standing.phase in TERMINAL))
    return every


def choose(states: Mapping[str, RolloutState]) -> dict[str, RolloutState]:
    """Return those that have not ended, and the newest of the others up to `MOST_CARDS` in all.

    One whose traffic does not follow its end is among the first, however old.
    """
    alarming = [name for name, state in states.items() if why_called(state, is_blind=False)]
    going = [name for name, state in states.items() if not state.is_terminal]
    wanted = dict.fromkeys([*alarming, *going[::-1], *[*states][::-1]])
    chosen = set([*wanted][:MOST_CARDS])
    return {name: state for name, state in states.items() if name in chosen}


def _card(rollout: str, state: RolloutState, now: float) -> Card:
    """Return a rollout's card; one that has ended is told by its last decision alone."""
    last = state.noted_at or state.looked_at or state.started_at
    is_over = state.is_terminal
    status = None if is_over else report(rollout, state, now)
    blind_since = min(state.blind_since.values(), default=None)
    is_blind = not is_over and blind_since is not None
    sentence_now = state.explanation.sentence if state.explanation else ""
    return Card(
        standing=find_standing(rollout, state),
        chips=tuple(find_chips(state, status)),
        sentence=status.said if status else redact(sentence_now),
        next=status.next if status else "",
        problem=redact(state.route_problem),
        calls=why_called(state, is_blind=is_blind),
        lasts=_lasts(state, last if is_over else now),
        blind=duration(max(state.clock - blind_since, 0.0)) if is_blind and blind_since else "",
    )


def find_chips(state: RolloutState, status: Report | None = None) -> Iterable[tuple[str, str]]:
    """Return each guardrail's name and verdict: now, or as the last decision recorded it."""
    if status is not None:
        return [(line.name, line.verdict) for line in status.guardrails]
    return [(line.name, line.verdict) for line in list_recorded_lines(state)]


def _lasts(state: RolloutState, end: float) -> str:
    # By its own clock where the wall clock was set back meanwhile.
    taken = duration(max(round(max(end, state.clock) - state.started_at), 0))
    return f"decided in {taken}" if state.is_terminal else f"under way for {taken}"


def why_called(state: RolloutState, *, is_blind: bool) -> str:
    """Return why a person should look at a rollout; empty where none needs to."""
    if state.following and state.written_as == "not followed":
        return "traffic does not follow"
    if state.is_terminal:
        return ""
    if state.phase in _CALLS:
        return state.phase
    if (wish := find_wish(state)) in _CALLING_WISHES:
        return f"would {wish}"
    if state.route_problem:
        return "the mesh has a problem"
    return "blind" if is_blind else ""


def bars(lines: Iterable[Line]) -> list[Bar]:
    """Return the picture of each guardrail's evidence.

    The scale is 2.5 margins to each side of zero, so that rows of different units compare.
    """
    return [_bar(line) for line in lines]


def _bar(line: Line) -> Bar:
    readout = line.readout
    harm, safe = (round(max(share or 0.0, 0.0) * 100) for share in (readout.harm, readout.safe))
    if readout.ratio is not None:
        return Bar(line, harm, safe, words=f"{readout.ratio:.2f} times stable's")
    if readout.estimate is None:
        return Bar(line, harm, safe)
    allowed = readout.allowed or 0.0
    scale = max(2.5 * max(abs(allowed), 1e-3), 1.2 * abs(readout.estimate))

    def position(value: float | None) -> float | None:
        return None if value is None else round(min(max(value / scale, -1.0), 1.0) * 50 + 50, 1)

    words = f"{readout.estimate * 100:+.2f} pp"
    if readout.low is not None and readout.high is not None:
        words += f" ({readout.low * 100:+.2f} to {readout.high * 100:+.2f})"
    if readout.allowed is not None:
        words += f", allowed {readout.allowed * 100:+.2f}"
    return Bar(
        line,
        harm,
        safe,
        allowed=position(readout.allowed),
        low=position(readout.low),
        high=position(readout.high),
        estimate=position(readout.estimate),
        words=words,
    )


def log_line(entry: Entry, chain: str | None) -> LogLine:
    """Return an entry of a chain in words."""
    fact = entry.fact
    return LogLine(
        entry.seq,
        str(EntryId(chain, entry.seq)),
        fact.at,
        clean(fact.rollout),
        what(fact),
        sentence(fact),
        entry.hash,
        fact.kind,
        as_document(entry, chain),
        isinstance(fact, Decided),
    )


def page_of(
    headlines: Sequence[Headline],
    wanted: EntryFilter,
    rollouts: frozenset[str] | None,
    before: int | None,
) -> tuple[list[int], bool]:
    """Return the numbers of the newest entries that pass, newest first, and whether older follow.

    `rollouts` limits them to these ids; None does not. `before` leaves out newer ones.
    """
    places: list[int] = []
    for line in reversed(headlines):
        if before is not None and line.seq >= before:
            continue
        if rollouts is not None and line.rollout not in rollouts:
            continue
        if wanted.passes(line):
            places.append(line.seq)
            if len(places) > PAGE:
                return places[:PAGE], True
    return places, False


def effects(entries: Sequence[Entry], decision: int, chain: str | None) -> list[LogLine]:
    """Return what came of a decision: attempts that failed, the confirmation, the traffic."""
    came: list[LogLine] = []
    for entry in entries:
        fact = entry.fact
        if entry.seq > decision and isinstance(fact, Decided) and fact.action != "hold":
            break
        is_of_it = isinstance(fact, Confirmed | RouteFailed) and fact.decision == decision
        if is_of_it or (isinstance(fact, Followed) and came):
            came.append(log_line(entry, chain))
    return came
