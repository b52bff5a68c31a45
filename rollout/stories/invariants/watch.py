"""Asks every checker: it listens to the API server and the disks of one world."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from rollout.decide.record.facts import Decided, Started
from rollout.ports import Entry
from rollout.stories.invariants.base import Broken, Chronicle, Invariant
from rollout.stories.invariants.blindness import FailsStatic, NeedsEvidence
from rollout.stories.invariants.bulkheads import LooksGoOn
from rollout.stories.invariants.declared import AuthorityHolds, ExperimentHolds
from rollout.stories.invariants.ends import (
    EndsAreReached,
    FieldsAreOurs,
    NoTraceback,
    SurvivesDeath,
)
from rollout.stories.invariants.exposure import CountsAreTrue, SharesAreTrue, WindowsAreClean
from rollout.stories.invariants.harm import HarmIsShown, IsTimely, RollsBackAtOnce
from rollout.stories.invariants.hooks import HooksComeLast
from rollout.stories.invariants.people import (
    EditsAreAnswered,
    HooksAreCalledOnce,
    PausesEnd,
    PeopleAreHeard,
)
from rollout.stories.invariants.policies import PoliciesGo
from rollout.stories.invariants.records import (
    HidesLabels,
    KeepsChain,
    KeepsPlan,
    Replays,
)
from rollout.stories.invariants.writers import OneWriter
from rollout.stories.invariants.writes import NeverRaisesAgain, RecordedFirst, WeightsAreValid
from rollout.stories.story import SeededStory
from rollout.stories.world.apiserver import AcceptedWrite
from rollout.stories.world.routes import RULES
from rollout.stories.world.store import SimulatedDisk
from rollout.stories.world.world import StoryWorld

CHECKS: tuple[type[Invariant], ...] = (
    WeightsAreValid,
    RecordedFirst,
    NeverRaisesAgain,
    HarmIsShown,
    NeedsEvidence,
    FailsStatic,
    CountsAreTrue,
    WindowsAreClean,
    SharesAreTrue,
    OneWriter,
    EndsAreReached,
    FieldsAreOurs,
    EditsAreAnswered,
    PeopleAreHeard,
    PausesEnd,
    HooksAreCalledOnce,
    SurvivesDeath,
    Replays,
    KeepsChain,
    IsTimely,
    RollsBackAtOnce,
    LooksGoOn,
    HidesLabels,
    KeepsPlan,
    HooksComeLast,
    NoTraceback,
    PoliciesGo,
    AuthorityHolds,
    ExperimentHolds,
)


class PromiseWatch:
    """The checkers of one story, and what they have noted."""

    def __init__(self, story: SeededStory, world: StoryWorld) -> None:
        self.chronicle = Chronicle(story, world)
        self.checks = [check(self.chronicle) for check in CHECKS]
        # Most checkers hear of a few things only, and there are thousands of steps and entries.
        self._of_steps = self._select("after_step")
        self._of_entries = self._select("on_entries")
        self._of_decisions = self._select("on_entries", "on_decision")
        world.api.on_write = self._on_write
        for disk in world.disks:
            disk.on_append = partial(self._on_append, disk)

    @property
    def broken(self) -> list[Broken]:
        return self.chronicle.broken

    def after_step(self) -> None:
        """Ask every checker after a step."""
        self.chronicle.note_health()
        for check in self._of_steps:
            check.after_step()

    def at_end(self) -> None:
        """Ask every checker at the end."""
        for check in self.checks:
            check.at_end()

    def _on_write(self, write: AcceptedWrite) -> None:
        is_policy = write.key[0] == RULES
        for check in self.checks:
            (check.on_policy if is_policy else check.on_write)(write)

    def _on_append(self, disk: SimulatedDisk, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self._note(disk, entry)
            is_decision = isinstance(entry.fact, Decided)
            for check in self._of_decisions if is_decision else self._of_entries:
                check.on_entries(disk, [entry])

    def _select(self, *names: str) -> list[Invariant]:
        """Return the checkers that say of themselves what they hear by one of these methods."""
        return [
            check
            for check in self.checks
            if any(getattr(type(check), name) is not getattr(Invariant, name) for name in names)
        ]

    def _note(self, disk: SimulatedDisk, entry: Entry) -> None:
        fact = entry.fact
        if isinstance(fact, Started):
            self.chronicle.begin(disk, fact)
        trace = self.chronicle.trace(disk, fact.rollout)
        if trace is not None and fact.kind in {"confirmed", "followed"}:
            is_end = getattr(fact, "stable", None) is not None
            trace.has_ended = trace.has_ended or is_end
        if isinstance(fact, Decided) and trace is not None:
            trace.decisions.append((self.chronicle.world.now, entry.seq, fact))
            trace.was_paused = trace.is_paused
            if fact.action in {"resume", "promote"}:
                trace.lived.clear()
            trace.lived.append((self.chronicle.world.lived, fact.action))
            trace.has_ended = trace.has_ended or fact.action == "end"
            trace.is_rolled_back = trace.is_rolled_back or fact.action == "roll back"
