"""What every checker is: it hears of writes and entries, and looks after steps and at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from rollout.decide.record.facts import Decided, Started
from rollout.decide.record.split import Split
from rollout.plan.model.plan import Plan
from rollout.ports import Entry
from rollout.stories.faults import FAULTS
from rollout.stories.setting import SERVICE
from rollout.stories.story import SeededStory
from rollout.stories.world.apiserver import AcceptedWrite
from rollout.stories.world.store import SimulatedDisk
from rollout.stories.world.traffic import ServiceTraffic
from rollout.stories.world.world import StoryWorld

RAISING = frozenset({"advance", "hold back", "promote", "resume", "make route", "reallocate"})
LOWERING = frozenset({"roll back", "retreat", "undo", "reallocate"})
_STEPS = frozenset({"advance", "hold back", "promote"})


@dataclass(frozen=True)
class Broken:
    """A promise that did not hold, and when: seconds since the story began."""

    invariant: str
    text: str
    at: float

    def __str__(self) -> str:
        return f"{self.invariant} at {self.at:.1f} s: {self.text}"


@dataclass
class RolloutTrace:
    """What the journals say of one rollout so far, with the true times."""

    rollout: str
    plan: Plan
    disk: SimulatedDisk
    number: int  # of the disk
    began_at: float
    decisions: list[tuple[float, int, Decided]] = field(default_factory=list)
    is_rolled_back: bool = False
    has_ended: bool = False
    was_paused: bool = False  # before the newest decision
    lived_at: float = 0.0  # see StoryWorld.lived
    lived: list[tuple[float, str]] = field(default_factory=list)  # and the action, since a resume

    @property
    def key(self) -> tuple[int, str]:
        """The number of its journal, and its id: two journals may have the same rollout."""
        return self.number, self.rollout

    @property
    def service(self) -> str:
        return self.plan.spec.service

    @property
    def is_paused(self) -> bool:
        """Whether a pause was decided, and no resume since."""
        return any(action == "pause" for _, action in self.lived)

    @property
    def last_split(self) -> Split:
        """What was wanted before the newest decision."""
        return self.decisions[-2][2].split if len(self.decisions) > 1 else Split(0)

    @property
    def wanted(self) -> Split:
        """What the newest decision wants."""
        return self.decisions[-1][2].split if self.decisions else Split(0)

    @property
    def last(self) -> Decided | None:
        """The newest decision that is no hold."""
        acts = (fact for _, _, fact in reversed(self.decisions) if fact.action != "hold")
        return next(acts, None)


def is_climbing(trace: RolloutTrace, fact: Decided) -> bool:
    """Return whether a decision, the trace's newest, gives the canary more of the ramp."""
    if fact.action == "reallocate":
        return fact.split.share > trace.last_split.share
    return fact.action in _STEPS


@dataclass
class Chronicle:
    """What every checker shares: the story, its world, and the traces of all rollouts."""

    story: SeededStory
    world: StoryWorld
    traces: dict[tuple[int, str], RolloutTrace] = field(default_factory=dict)
    broken: list[Broken] = field(default_factory=list)
    well_since: float | None = None  # since when nothing keeps controllers from mesh and journal
    is_delayed: bool = False  # something has happened that may delay a rollback

    def __post_init__(self) -> None:
        self.names = {event.name for event in self.story.events}

    @property
    def trusts_wall_clock(self) -> bool:
        """Whether an older version measured by a wall clock that was wrong."""
        return self.story.setting.version == "old" and self.has_any("clock", "sleep", "outage")

    def note_event(self, name: str) -> None:
        """Note that an event happens."""
        self.is_delayed = self.is_delayed or FAULTS[name].delays

    def has_any(self, *words: str) -> bool:
        """Return whether an event of the story has one of these words in its name."""
        return any(word in name for name in self.names for word in words)

    @property
    def frozen_in_looks(self) -> float:
        """The seconds by which decisions may be recorded later than the look that they are of."""
        freezes = {"freeze-query", "freeze-append"}
        return sum(event.value for event in self.story.events if event.name in freezes)

    def trace(self, disk: SimulatedDisk, rollout: str) -> RolloutTrace | None:
        """Return the trace of a rollout of one journal."""
        return self.traces.get((self.world.disks.index(disk), rollout))

    def main_trace(self) -> RolloutTrace | None:
        """Return the trace of the main rollout, while it has one journal and one attempt."""
        traces = [t for t in self.traces.values() if t.service == SERVICE]
        return traces[0] if len(traces) == 1 else None

    def is_well(self) -> bool:
        """Return whether nothing keeps controllers from mesh and journal."""
        return self.well_since is not None

    def note_health(self) -> None:
        """Note since when that is so."""
        world = self.world
        faults = (world.api.faults, *(disk.faults for disk in world.disks))
        is_ill = any(world.now < until for some in faults for until in some.values())
        is_ill = is_ill or any(disk.altered for disk in world.disks) or world.was_restored
        is_ill = is_ill or not all(p.is_awake() and p.controller for p in world.processes)
        is_ill = is_ill or any(
            world.now < max(p.parted_until, p.clock.stalled_until) for p in world.processes
        )
        is_ill = is_ill or len(world.disks) > 1 or len(world.processes) > 1
        self.well_since = None if is_ill else self.well_since or world.now

    def traffic(self, trace: RolloutTrace) -> ServiceTraffic:
        """Return the true traffic of a rollout's service."""
        return self.world.traffics[trace.service]

    def begin(self, disk: SimulatedDisk, fact: Started) -> None:
        """Begin a rollout's trace."""
        key = self.world.disks.index(disk), fact.rollout
        plan = Plan.model_validate(fact.plan)
        self.traces[key] = RolloutTrace(
            fact.rollout, plan, disk, key[0], self.world.now, lived_at=self.world.lived
        )


class Invariant:
    """A checker; subclasses say what they hear of. `code` is the promise's number."""

    code: ClassVar[str] = ""
    text: ClassVar[str] = ""

    def __init__(self, chronicle: Chronicle) -> None:
        self.chronicle, self.world = chronicle, chronicle.world

    def break_(self, text: str) -> None:
        """Note that the promise does not hold."""
        self.chronicle.broken.append(Broken(self.code, text, self.world.elapsed))

    def on_write(self, write: AcceptedWrite) -> None:
        """Hear of a routing object that a controller has written."""

    def on_policy(self, write: AcceptedWrite) -> None:
        """Hear of an object of a plan's policy that a controller has written."""

    def on_entries(self, disk: SimulatedDisk, entries: Sequence[Entry]) -> None:
        """Hear of entries that are durable; decisions come one by one to `on_decision`."""
        for entry in entries:
            if isinstance(entry.fact, Decided):
                trace = self.chronicle.trace(disk, entry.fact.rollout)
                if trace is not None:
                    self.on_decision(trace, entry.fact)

    def on_decision(self, trace: RolloutTrace, fact: Decided) -> None:
        """Hear of a decision, which `trace` already has."""

    def after_step(self) -> None:
        """Look at the world after each step."""

    def at_end(self) -> None:
        """Look at the world after all faults have ended and nothing more happens."""
