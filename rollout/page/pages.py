"""The pages themselves: each method reads what it needs and returns one page of HTML."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, get_args
from urllib.parse import urlencode

from rollout.decide.record.facts import Action, Decided
from rollout.decide.state.rollout import RolloutState
from rollout.decide.text.comparison import compared_with
from rollout.errors import InputError, SurefootError
from rollout.explain.decision.number_lines import (
    list_goal_numbers,
    list_numbers,
    list_segment_numbers,
)
from rollout.explain.decision.replayed import describe_replay, explain
from rollout.explain.effect import MOST_LOOKS, describe_counted
from rollout.explain.entry import clean
from rollout.explain.ladder import climb, find_highest
from rollout.explain.log import EntryFilter, holds_secret
from rollout.explain.moment import parse_moment
from rollout.explain.recorded import list_recorded_lines
from rollout.explain.status import Line, report
from rollout.journal.entry_id import EntryId
from rollout.journal.hash_chain import GENESIS, Row
from rollout.page import views
from rollout.page.charts import CHARTS, ChartRoom, are_available
from rollout.page.numbers import read_number
from rollout.page.reader import JournalReader
from rollout.page.render import Links, Renderer, count_fitting
from rollout.page.replay import ReplayRoom, StateRoom
from rollout.page.topology import TopologyRoom
from rollout.ports import Journal
from rollout.tick.fleet import recorded_stable

_ROWS = 500  # rows that a browser gets at once
_FOLLOWERS = 2 * MOST_LOOKS  # entries after a decision in which its looks are searched
_NEWEST = 40  # entries on a rollout's page
_ROLLOUT_ROOM, _LOG_ROOM = 28_000, 42_000  # bytes of a page for its entries, of 50,000
_NEWEST_NAMES = 40  # that a filter suggests
_NEWEST_ROLLOUTS = 8  # with their guardrails, on a service's page
_OLDER_ROLLOUTS = 40  # without them
FILTERS = ("rollout", "action", "reason", "actor", "since", "until")
"""The fields by which the page of the log can be filtered."""


class SealedJournal(Journal, Protocol):
    """A journal that also hands out its rows as they are sealed."""

    def rows(self, after: int = 0, most: int | None = None) -> Sequence[Row]: ...


@dataclass(frozen=True)
class PageSet:
    """The pages of one journal."""

    reader: JournalReader
    journal: SealedJournal
    links: Links

    @cached_property
    def charts(self) -> ChartRoom:
        """What draws the charts."""
        return ChartRoom(self.reader)

    @cached_property
    def _replays(self) -> ReplayRoom:
        return ReplayRoom(self.reader)

    @cached_property
    def _states(self) -> StateRoom:
        return StateRoom(self.reader)

    @cached_property
    def _topology(self) -> TopologyRoom:
        return TopologyRoom(self.reader)

    @cached_property
    def _renderer(self) -> Renderer:
        return Renderer(self.links)

    def home(self) -> str:
        """Return the page of all rollouts, those first that need a person."""
        self.reader.refresh()
        states, now = self.reader.states(), self.reader.now()
        services = sorted({_service_of(state) for state in states.values()})
        return self._page(
            "home",
            cards=views.cards(views.choose(states), now),
            left_out=max(len(states) - views.MOST_CARDS, 0),
            services=services[: views.MOST_SERVICES],
        )

    def topology(self) -> str:
        """Return the page of all services and their versions, as the newest looks counted."""
        self.reader.refresh()
        services, left_out = self._topology.lines()
        return self._page("topology", services=services, left_out=left_out)

    def rollout(self, rollout: str) -> str:
        """Return one rollout's page, by its id, or by its plan's name the newest.

        Raises InputError where there is none.
        """
        self.reader.refresh()
        rollout = self._find_newest(rollout)
        state = self._state(rollout)
        status = report(rollout, state, self.reader.now(), self.reader.find_stable(state.plan))
        places, more = views.page_of(self.reader.headlines(rollout), EntryFilter(), None, None)
        lines = self._read_lines(places[:_NEWEST][::-1])[::-1]
        lines = lines[: count_fitting(lines, _ROLLOUT_ROOM)]
        return self._page(
            "rollout",
            report=status,
            namespace=state.plan.metadata.namespace,
            ladder=climb(state, status, self._find_highest(rollout)),
            bars=views.bars(status.guardrails),
            confidence=state.plan.spec.confidence,
            false_winner=state.plan.spec.false_winner,
            basis=compared_with(state.plan),
            digest=state.plan.digest,
            pods=_describe_pods(state),
            charts=CHARTS if are_available() and _has_looks(state) else {},
            lines=lines,
            is_cut=more or len(places) > len(lines),
        )

    def service(self, namespace: str, service: str) -> str:
        """Return the page of one service: its versions and how they fared. Raises InputError."""
        self.reader.refresh()
        now, states = self.reader.now(), self.reader.states()
        own = [name for name, state in states.items() if _service_of(state) == (namespace, service)]
        if not own:
            raise InputError(f"no rollout of {service!r} in {namespace!r} is in this journal")
        newest = {name: states[name] for name in own[-_NEWEST_ROLLOUTS:]}
        older = {name: states[name] for name in own[:-_NEWEST_ROLLOUTS][-_OLDER_ROLLOUTS:]}
        return self._page(
            "service",
            service=service,
            namespace=namespace,
            cards=[
                (card, views.bars(self._list_guardrails(card.standing.rollout, states, now)))
                for card in views.cards(newest, now)
            ],
            older=views.cards(older, now),
            stable=recorded_stable(states[name] for name in own),
        )

    def decision(self, number: int, chain: str | None = None) -> str:
        """Return why one decision was made, and what came of it. Raises InputError.

        With a `chain` it is an entry of that one alone.
        """
        self.reader.refresh()
        EntryId(chain, number).check_chain(self.reader.chain)
        entry = next(iter(self.reader.entries([number] if self._holds(number) else [])), None)
        if entry is None:
            raise InputError(f"there is no entry {number:,} in this journal")
        rollout = entry.fact.rollout
        if not isinstance(entry.fact, Decided):
            explain(self.reader.entries_of(rollout, number), number)  # says so, in words
        earlier, entries = self._states.find(rollout, number)
        explanation = explain(entries, number, earlier)
        after = [line.seq for line in self.reader.headlines(rollout) if line.seq > number][:20]
        followers = [seq for seq in self.reader.places_of(rollout) if seq > number]
        looks = self.reader.entries(followers[:_FOLLOWERS])
        return self._page(
            "decision",
            why=explanation,
            number_lines={
                name: _split_words(list_numbers(numbers))
                for name, numbers in explanation["numbers"].get("guardrails", {}).items()
            },
            segment_lines={
                name: _split_words(list_segment_numbers(numbers))
                for name, numbers in explanation["numbers"].get("segments", {}).items()
            },
            goal_lines={
                name: _split_words(list_goal_numbers(numbers))
                for name, numbers in explanation["numbers"].get("goals", {}).items()
            },
            replay=describe_replay(explanation["differs"], explanation["controller"]),
            line=views.log_line(entry, self.reader.chain),
            counted=describe_counted(self.reader.states()[rollout].plan, looks, number),
            effects=views.effects(self.reader.entries(after), number, self.reader.chain),
        )

    def log(self, query: Mapping[str, str]) -> str:
        """Return a page of the decision log, newest first; `query` holds its filters."""
        self.reader.refresh()
        chosen = {key: clean(query.get(key, "")) for key in FILTERS}
        names = {rollout: state.plan.name for rollout, state in self.reader.states().items()}
        rollouts = _matching(names, chosen["rollout"])
        problem, wanted = "", EntryFilter()
        try:
            wanted = _parse_filter(chosen, self.reader.now())
        except ValueError as error:
            problem = f"{error}; nothing is filtered"
        places, has_older = views.page_of(
            self.reader.headlines(),
            wanted,
            rollouts,
            read_number(query.get("before", "")),
        )
        lines = self._read_lines(places[::-1])[::-1]
        lines = lines[: count_fitting(lines, _LOG_ROOM)]
        has_older = has_older or len(lines) < len(places)
        older = {key: words for key, words in chosen.items() if words}
        return self._page(
            "log",
            lines=lines,
            names=sorted([*dict.fromkeys(reversed(names.values()))][:_NEWEST_NAMES]),
            actions=[action.replace(" ", "-") for action in get_args(Action)],
            filters=chosen,
            problem=problem,
            older=f"/log?{urlencode({**older, 'before': lines[-1].seq})}" if has_older else "",
        )

    def whole_log(self, rollout: str = "") -> str:
        """Return the whole log, of all rollouts or of one, on one page: for files."""
        self.reader.refresh()
        wanted = EntryFilter()
        places = [line.seq for line in self.reader.headlines(rollout) if wanted.passes(line)]
        lines = self._read_lines(places)
        return self._page("log", lines=lines[::-1], problem="", older="")

    def verify(self) -> str:
        """Return the page on which a browser checks the chain of hashes by itself."""
        head = self.reader.refresh()
        return self._page("verify", head=head, genesis=GENESIS, chain=self.reader.chain)

    def rows(self, after: int) -> dict[str, Any]:
        """Return sealed rows after a number, as a browser checks them.

        A row that holds the password of a URL is not handed out: its text is null.
        """
        head = self.reader.refresh()
        rows = self.journal.rows(after, _ROWS) if after < head else []
        return {"head": head, "rows": [_as_json(row) for row in rows]}

    def replay(self) -> dict[str, Any]:
        """Decide the newest recorded looks again, and return which do not come out as recorded.

        `of` is the number of all. Raises JournalBusyError while it is done for somebody else.
        """
        self.reader.refresh()
        return self._replays.run()

    def sign_in(self, problem: str, way: str) -> str:
        """Return the page that asks for the token; `way` is the path to go on to."""
        return self._renderer.page("sign_in", problem=problem, way=way)

    def warm_up(self) -> None:
        """Make the pages that need most, so that nobody waits for the libraries they load."""
        self.reader.refresh()
        newest = next(
            (line for line in reversed(self.reader.headlines()) if line.kind == "decided"), None
        )
        if newest is not None:
            with contextlib.suppress(SurefootError, ArithmeticError, ValueError):
                self.rollout(newest.rollout)
                self.decision(newest.seq)

    def error(self, words: str, *, is_signed_in: bool) -> str:
        """Return a page that says what went wrong, and nothing else to who is not signed in."""
        head = self.reader.head if is_signed_in else 0
        return self._page("error", head=head, words=words, is_signed_in=is_signed_in)

    def _page(self, template: str, **values: object) -> str:
        usual = {"head": self.reader.head, "now": self.reader.now(), "is_signed_in": True}
        return self._renderer.page(template, **{**usual, **values})

    def _read_lines(self, places: Sequence[int]) -> list[views.LogLine]:
        chain = self.reader.chain
        return [views.log_line(entry, chain) for entry in self.reader.entries(places)]

    def _find_newest(self, name: str) -> str:
        states = self.reader.states()
        ids = [rollout for rollout, state in states.items() if state.plan.name == name]
        return name if name in states or not ids else ids[-1]

    def _find_highest(self, rollout: str) -> float:
        """Return the largest share of a rollout that the mesh confirmed."""
        lines = self.reader.headlines(rollout)
        return find_highest(
            self.reader.entries([line.seq for line in lines if line.kind == "confirmed"])
        )

    def _holds(self, number: int) -> bool:
        return 0 < number <= self.reader.head

    def _list_guardrails(
        self, rollout: str, states: Mapping[str, RolloutState], now: float
    ) -> Sequence[Line]:
        """Return each guardrail now; of a rollout that has ended, as its end recorded it."""
        if states[rollout].is_terminal:
            return list_recorded_lines(states[rollout])
        return report(rollout, self._state(rollout), now).guardrails

    def _state(self, rollout: str) -> RolloutState:
        state = self.reader.state(rollout)
        if state is None:
            raise InputError(f"there is no rollout {rollout!r} in this journal")
        return state


def _service_of(state: RolloutState) -> tuple[str, str]:
    return state.plan.metadata.namespace, state.plan.spec.service


def _split_words(lines: Sequence[str]) -> list[str]:
    """Put a colon after the word that stands in a column of its own on a terminal."""
    return [": ".join(line.split(maxsplit=1)) for line in lines]


def _describe_pods(state: RolloutState) -> str:
    """Return how many pods the tests reckon with; empty where none are told apart."""
    dispersions = state.learned.dispersions.values() if state.learned else ()
    counts = {(own.pods_canary, own.pods_stable) for own in dispersions if own.by == "pods"}
    return "; ".join(f"{canary}, stable has {stable}" for canary, stable in sorted(counts))


def _has_looks(state: RolloutState) -> bool:
    """Return whether anything was counted that a chart could show."""
    return state.looked_at is not None


def _matching(names: Mapping[str, str], name: str) -> frozenset[str] | None:
    """Return the ids that a name or an id means; None for no name, which means all."""
    if not name:
        return None
    return frozenset(rollout for rollout, plan in names.items() if name in (rollout, plan))


def _parse_filter(chosen: Mapping[str, str], now: float) -> EntryFilter:
    """Return what to filter by. Raises ValueError, in words, for a time that is none."""
    since, until = (
        parse_moment(chosen[key])(now) if chosen[key] else None for key in ("since", "until")
    )
    wanted = EntryFilter(
        actions=tuple(filter(None, [chosen["action"].replace("-", " ")])),
        reasons=tuple(filter(None, [chosen["reason"]])),
        actors=tuple(filter(None, [chosen["actor"]])),
        since=since,
        until=until,
    )
    if not wanted.is_possible:
        raise ValueError("nothing is both since and before these times")
    return wanted


def _as_json(row: Row) -> dict[str, Any]:
    text = None if holds_secret(row) else row.text
    return {"seq": row.seq, "previous": row.previous, "hash": row.hash, "text": text}
