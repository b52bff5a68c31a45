"""A start that passes over evidence behaves as one that reads all of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.decide.facts import Command, HumanSaid, Observed
from rollout.decide.state import State
from rollout.errors import JournalError
from rollout.journal.memory import MemoryJournal
from rollout.ports import Entry, Passed
from rollout.tick.controller import Controller
from rollout.tick.fleet import Fleet
from tests.plans import Operated
from tests.worlds import BAD, GOOD

WISHES = ["apply", "edit", "delete", "forget"]
WORDS: list[Command] = ["undo", "retry", "promote", "abort", "pause"]
EVENTS = ["restart", "restart", "break", "mend", "run", "run long"]
ACTIONS = st.lists(st.sampled_from([*WISHES, *WORDS, *EVENTS]), min_size=4, max_size=14)
_EVIDENCE = {
    *("gauges", "shares", "parted", "looked_at", "first_canary_at"),
    *("requests_per_look", "steady_at"),
}


class Eager(MemoryJournal):
    """A journal that passes over nothing."""

    def skim(self) -> Iterator[Entry]:
        return iter(self.read())


def eager(journal: MemoryJournal) -> Fleet:
    """The fleet as it is where every entry is folded as it comes."""
    fleet = Fleet()
    for entry in journal.read():
        fleet.take(entry)
    return fleet


def fresh(journal: MemoryJournal, world: Operated) -> Controller:
    """A controller that has just started on it."""
    ports = replace(world.operator.controller.ports, journal=MemoryJournal(journal.rows()))
    controller = Controller(ports, "test")
    controller.catch_up()
    return controller


def say(world: Operated, command: Command, number: int) -> None:
    if command in {"undo", "retry"}:
        for each in world.cluster.held.values():
            each["metadata"]["annotations"] = {f"surefoot.dev/{command}": f"ticket {number}"}
        return
    going = [rollout for rollout, state in world.states.items() if not state.terminal]
    rollout = (going or [*world.states])[-1:]
    if rollout:
        at = world.clock.now()
        said = HumanSaid(rollout=rollout[0], at=at, command=command, actor="ada@host")
        world.journal.append([said], len(world.journal.rows()))


def act(world: Operated, action: str, number: int) -> None:
    held = world.cluster.held
    if action in WORDS:
        say(world, action, number)
    match action:
        case "apply":
            world.apply()
        case "edit":
            world.apply(deadline=f"{10 + number}m")
        case "delete":
            held.clear()
        case "restart":
            world.restart()
        case "forget":  # a resource restored without its status
            for each in held.values():
                each.pop("status", None)
        case "break" | "mend":
            world.router.down = "gone" if action == "break" else ""


def told(world: Operated) -> tuple[Any, ...]:
    """All that the outside sees of an operator."""
    sealed = [row.hash for row in world.journal.rows()]
    return sealed, world.cluster.held, world.cluster.events, world.router.shown


def decided(state: State) -> dict[str, Any]:
    """A state without what evidence alone says."""
    return {name: value for name, value in vars(state).items() if name not in _EVIDENCE}


@settings(max_examples=30, deadline=None)
@given(ACTIONS, st.sampled_from([GOOD, BAD]))
def test_restarts_change_nothing_that_can_be_seen(actions, canary):
    lazy, whole = Operated(canary), Operated(canary, journal=Eager())
    for number, action in enumerate(actions):
        for world in (lazy, whole):
            act(world, action, number)
            world.run(45 if action == "run long" else 3)
        assert told(lazy) == told(whole)


@settings(max_examples=20, deadline=None)
@given(ACTIONS, st.sampled_from([GOOD, BAD]), st.floats(0, 1))
def test_a_started_controller_knows_what_a_read_journal_tells(actions, canary, part):
    world = Operated(canary)
    for number, action in enumerate(actions):
        act(world, action, number)
        world.run(45 if action == "run long" else 3)
    rows = world.journal.rows()
    journal = MemoryJournal(rows[: round(part * len(rows))])
    controller, fleet = fresh(journal, world), eager(journal)
    lazy = controller.fleet
    for name in ("head", "active", "asked", "unlearned", "calibrations"):
        assert getattr(lazy, name) == getattr(fleet, name), name
    now = world.clock.now() + 1e6
    for name in ("looks", "unconfirmed", "calls"):
        assert getattr(lazy, name).due(now) == getattr(fleet, name).due(now), name
    for rollout, state in fleet.states.items():
        if not state.terminal:
            assert lazy.states[rollout] == state
        assert decided(lazy.states[rollout]) == decided(state)
        plan = state.plan
        assert lazy.newest_of(plan) == fleet.newest_of(plan)
        assert lazy.attempt_of(plan.id) == fleet.attempt_of(plan.id)
        assert lazy.stable("default", "summarizer") == fleet.stable("default", "summarizer")
        assert controller.whole(rollout) == state


class Failing(MemoryJournal):
    """A journal that cannot be reached at first, in the midst of reading."""

    faults = 3

    def skim(self) -> Iterator[Entry | Passed]:
        for number, each in enumerate(super().skim()):
            if self.faults and number == len(self.rows()) - 3:
                self.faults -= 1
                raise JournalError("the line is cut")
            yield each

    def pick(self, places: Any) -> Iterator[Entry]:
        if self.faults:
            self.faults -= 1
            raise JournalError("the line is cut")
        return super().pick(places)


def promoted() -> Operated:
    world = Operated(GOOD)
    world.apply()
    world.run_until(lambda: world.states and all(s.terminal for s in world.states.values()))
    world.apply(deadline="11m", canary={"version": "v3"}, stable={"version": "v2"})
    world.run(20)
    return world


def test_a_start_that_breaks_off_goes_on_where_it_was():
    world = promoted()
    journal = Failing(world.journal.rows())
    ports = replace(world.operator.controller.ports, journal=journal)
    controller, heard = Controller(ports, "test"), list[Entry]()
    controller.on_entry = heard.append
    for _ in range(3):
        try:
            controller.catch_up()
        except JournalError:
            assert controller.head
    controller.catch_up()
    assert not journal.faults
    (going,) = controller.active
    assert controller.states[going] == eager(journal).states[going]
    assert [e.seq for e in heard] == sorted({e.seq for e in heard})
    news = [e.seq for e in journal.read() if not isinstance(e.fact, Observed)]
    assert [e.seq for e in heard if not isinstance(e.fact, Observed)] == news


def test_of_what_has_ended_no_evidence_is_read_at_a_start():
    world = promoted()
    first, second = world.states
    picked: list[int] = []

    class Counting(MemoryJournal):
        def pick(self, places: Any) -> Iterator[Entry]:
            picked.extend(places)
            return super().pick(places)

    world.journal = Counting(world.journal.rows())
    world.restart()
    world.run(5)
    entries = world.journal.read()
    assert {entry.fact.rollout for entry in entries if entry.seq in picked} == {second}
    assert not world.states[first].gauges
    whole = world.operator.controller.whole(first)
    assert whole == eager(world.journal).states[first] == world.states[first]
