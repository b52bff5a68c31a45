"""A start that passes over evidence behaves as one that reads all of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from rollout.decide.record.facts import Command, HumanSaid
from rollout.decide.state.rollout import RolloutState
from rollout.errors import ClusterError
from rollout.journal.memory import MemoryJournal
from rollout.ports import Entry, Journal
from rollout.tick.controller import Controller
from rollout.tick.fleet import Fleet
from tests.support.plans import Operated
from tests.support.worlds import BAD, GOOD

WISHES = ["apply", "edit", "delete", "forget"]
WORDS: list[Command] = ["undo", "retry", "promote", "abort", "pause"]
EVENTS = ["restart", "restart", "break", "mend", "lose", "find", "run", "run long"]
ACTIONS = st.lists(st.sampled_from([*WISHES, *WORDS, *EVENTS]), min_size=4, max_size=14)
_EVIDENCE = {
    *("heard_at", "heard_clock", "blind_since"),
    *("guardrails", "shares", "traffic_tally", "looked_at", "first_canary_at"),
    *("requests_per_look", "steady_at", "untouched"),
}


class Whole(Operated):
    """Its controllers fold every entry as it comes."""

    def restart(self) -> None:
        super().restart()
        fleet = self.operator.controller.fleet

        def read(journal: Journal) -> Iterator[Entry]:
            for entry in journal.read(fleet.head):
                fleet.fold_entry(entry)
                yield entry

        setattr(fleet, "read", read)  # noqa: B010 - mypy forbids the plain form


def eager(journal: MemoryJournal) -> Fleet:
    """The fleet as it is where every entry is folded as it comes."""
    fleet = Fleet()
    for entry in journal.read():
        fleet.fold_entry(entry)
    return fleet


def fresh(journal: MemoryJournal, world: Operated) -> Controller:
    """A controller that has just started on it."""
    ports = replace(world.operator.controller.ports, journal=MemoryJournal(journal.rows()))
    controller = Controller(ports, "test")
    controller.catch_up()
    return controller


def lost(_name: str) -> None:
    raise ClusterError("connection refused")


def run(world: Operated, action: str) -> None:
    for _ in range(90 if action == "run long" else 6):
        world.operator.tick()
        with suppress(ClusterError):
            world.outbox.publish(world.cluster, world.clock.now())
        world.clock.sleep(0.5)


def say(world: Operated, command: Command, number: int) -> None:
    if command in {"undo", "retry"}:
        for manifest in world.cluster.held.values():
            manifest["metadata"]["annotations"] = {f"surefoot.dev/{command}": f"ticket {number}"}
        return
    going = [rollout for rollout, state in world.states.items() if not state.is_terminal]
    rollout = (going or [*world.states])[-1:]
    if rollout:
        at = world.clock.now()
        command_fact = HumanSaid(rollout=rollout[0], at=at, command=command, actor="ada@host")
        world.journal.append([command_fact], len(world.journal.rows()))


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
            for manifest in held.values():
                manifest.pop("status", None)
        case _:
            fault(world, action)


def fault(world: Operated, action: str) -> None:
    match action:
        case "lose" | "find":
            world.cluster.fail = lost if action == "lose" else lambda _name: None
        case "break" | "mend":
            world.router.down = "gone" if action == "break" else ""


def describe(world: Operated) -> tuple[Any, ...]:
    """All that the outside sees of an operator."""
    sealed = [row.hash for row in world.journal.rows()]
    return sealed, world.cluster.held, world.cluster.events, world.router.statuses


def decided(state: RolloutState) -> dict[str, Any]:
    """A state without what evidence alone says."""
    return {name: value for name, value in vars(state).items() if name not in _EVIDENCE}


@settings(max_examples=30, deadline=None)
@given(ACTIONS, st.sampled_from([GOOD, BAD]))
@example(["apply", "run", "restart", "run"], GOOD)
@example(["apply", "run long", "restart", "forget", "run"], BAD)
@example(["apply", "run", "lose", "run long", "restart", "find", "run long"], BAD)
@example(["apply", "promote", "run", "restart", "undo", "run long", "restart"], GOOD)
@example(["apply", "abort", "run", "restart", "retry", "run", "restart", "run"], GOOD)
def test_restarts_change_nothing_that_can_be_seen(actions, canary):
    lazy, whole = Operated(canary), Whole(canary)
    for number, action in enumerate(actions):
        for world in (lazy, whole):
            act(world, action, number)
            run(world, action)
        assert describe(lazy) == describe(whole)


@settings(max_examples=20, deadline=None)
@given(ACTIONS, st.sampled_from([GOOD, BAD]), st.floats(0, 1))
def test_a_started_controller_knows_what_a_read_journal_tells(actions, canary, fraction):
    world = Operated(canary)
    for number, action in enumerate(actions):
        act(world, action, number)
        run(world, action)
    rows = world.journal.rows()
    journal = MemoryJournal(rows[: round(fraction * len(rows))])
    controller, fleet = fresh(journal, world), eager(journal)
    lazy = controller.fleet
    for name in ("head", "active", "asked", "unlearned", "calibrations"):
        assert getattr(lazy, name) == getattr(fleet, name), name
    now = world.clock.now() + 1e6
    for name in ("looks", "unconfirmed", "calls"):
        assert getattr(lazy, name).due(now) == getattr(fleet, name).due(now), name
    for rollout, state in fleet.states.items():
        if not state.is_terminal:
            assert lazy.states[rollout] == state
        assert decided(lazy.states[rollout]) == decided(state)
        plan = state.plan
        assert lazy.newest_of(plan) == fleet.newest_of(plan)
        assert lazy.attempt_of(plan.id) == fleet.attempt_of(plan.id)
        assert lazy.stable("default", "summarizer") == fleet.stable("default", "summarizer")
        assert controller.full_state(rollout) == state
