"""Commands and edits by people: each is answered, as the plan and the command say."""

from __future__ import annotations

from collections.abc import Sequence

from rollout.decide.record.facts import Decided, HookAnswered, HookCalled, HumanSaid
from rollout.decide.record.reasons import split_reason
from rollout.decide.record.route_facts import Drifted
from rollout.ports import Entry
from rollout.stories.invariants.base import Chronicle, Invariant, RolloutTrace, is_climbing
from rollout.stories.world.routes import read_shares
from rollout.stories.world.store import SimulatedDisk

_SOON = 4.0  # seconds: some ticks
_PUT_BACK = 8.0  # seconds: a look, and a write
_NOTICED = 40.0  # seconds: the longest back-off of a step, and two looks
_ORDERS = frozenset({"abort", "pause", "promote", "resume"})


def _is_refused(trace: RolloutTrace) -> bool:
    """Return whether a rollout is in a pause for a refusal of the mesh."""
    pauses = [fact for _, _, fact in trace.decisions if fact.action == "pause"]
    return trace.is_paused and bool(pauses) and "route-refused" in pauses[-1].reasons


class EditsAreAnswered(Invariant):
    """An edit by somebody else is noticed, and answered as the plan says, by the next decision."""

    code = "drift"
    text = "an edit of the weights is noticed, and answered as the plan says"

    def __init__(self, chronicle: Chronicle) -> None:
        super().__init__(chronicle)
        self._open: dict[tuple[int, str], str] = {}
        self._differs_since: float | None = None

    def on_entries(self, disk: SimulatedDisk, entries: Sequence[Entry]) -> None:
        super().on_entries(disk, entries)
        for entry in entries:
            fact = entry.fact
            trace = self.chronicle.trace(disk, fact.rollout)
            if isinstance(fact, Drifted) and trace is not None:
                self._open[trace.key] = trace.plan.spec.on_drift
                if trace.plan.spec.on_drift != "revert":
                    self._differs_since = None

    def on_decision(self, trace: RolloutTrace, fact: Decided) -> None:
        self._check_put_back(trace, fact)
        self._differs_since = None if fact.action != "hold" else self._differs_since
        policy = self._open.pop(trace.key, "")
        may_be = {"pause", "roll back", "undo", "resume", "promote", "retreat"}
        if policy != "pause" or trace.is_paused or trace.is_rolled_back:
            return
        if fact.action not in may_be and fact.reasons[0] not in {"following", "awaiting-mesh"}:
            self.break_(f"an edit was answered with {fact.action}: {', '.join(fact.reasons)}")

    def _check_put_back(self, trace: RolloutTrace, fact: Decided) -> None:
        """Check that no step comes upon an edit that the plan reverts."""
        since, code = self._differs_since, split_reason(fact.reasons[0])[0]
        is_own = is_climbing(trace, fact) and code != "human"
        if since is None or not is_own or trace.plan.spec.on_drift != "revert":
            return
        if self.world.now - since > _PUT_BACK + self.world.api.watch_lag:
            self.break_(f"{fact.action} upon an edit that was to be put back")

    def after_step(self) -> None:
        """Check that no other weight than the decided one stays unnoticed."""
        world, trace = self.world, self.chronicle.main_trace()
        last = trace.last if trace is not None else None
        is_asked = trace is not None and not trace.has_ended and self.chronicle.is_well()
        is_withdrawn = trace is not None and not trace.wanted.canary  # the first write was not sent
        is_asked = is_asked and not is_withdrawn
        if last is None or not is_asked or last.split.way != "weights" or not last.split.canary:
            self._differs_since = None
            return
        share = read_shares(world.api.objects.get(world.key)).canary
        if abs(share - last.split.share) < 1e-3 or self._is_adopted(trace, share):
            self._differs_since = None
            return
        since = self._differs_since = self._differs_since or world.now
        if world.now - since > _NOTICED + world.api.watch_lag:
            self.break_(f"decided is {last.split.share:.0%}, the route has {share:.0%}")
            self._differs_since = None

    def _is_adopted(self, trace: RolloutTrace | None, share: float) -> bool:
        """Return whether the newest edit that was noticed is what the route shows."""
        if trace is None:
            return False
        # In a pause for a refusal an edit stays: nothing is written that no decision asks for.
        if trace.plan.spec.on_drift == "revert" and not _is_refused(trace):
            return False
        drifts = [fact for fact in trace.disk.facts if isinstance(fact, Drifted)]
        if self.chronicle.has_any("one-route"):  # an edit of one route is told by that one
            return bool(drifts)
        return bool(drifts) and abs(drifts[-1].seen.served_share - share) < 1e-3


class PeopleAreHeard(Invariant):
    """A command is answered at once, an abort by a rollback, and a pause is kept."""

    code = "people"
    text = "a command is answered at once; an abort rolls back, and a pause holds"

    def __init__(self, chronicle: Chronicle) -> None:
        super().__init__(chronicle)
        self._asked: tuple[float, HumanSaid] | None = None
        self._asked_in: SimulatedDisk | None = None  # the journal that has the command

    def on_entries(self, disk: SimulatedDisk, entries: Sequence[Entry]) -> None:
        super().on_entries(disk, entries)
        for entry in entries:
            fact, trace = entry.fact, self.chronicle.trace(disk, entry.fact.rollout)
            is_open = trace is not None and not trace.has_ended and not trace.is_rolled_back
            is_order = isinstance(fact, HumanSaid) and fact.command in _ORDERS
            if isinstance(fact, HumanSaid) and is_order and is_open:
                self._asked, self._asked_in = (self.world.now, fact), disk

    def on_decision(self, trace: RolloutTrace, fact: Decided) -> None:
        code, _ = split_reason(fact.reasons[0])
        is_kept = trace.was_paused and not self._has_lost_pause(trace)
        if is_climbing(trace, fact) and is_kept and code != "human":
            self.break_(f"{fact.action} in a pause")
        if self._asked is None or self._asked[1].rollout != trace.rollout:
            return
        if self._asked_in is not trace.disk:  # another journal has a rollout of the same id
            return
        command, self._asked = self._asked[1].command, None
        end = "end" if trace.plan.spec.authority == "observe" else "roll back"
        if command == "abort" and fact.action != end and not trace.is_rolled_back:
            self.break_(f"an abort was answered with {fact.action}: {', '.join(fact.reasons)}")

    def _has_lost_pause(self, trace: RolloutTrace) -> bool:
        """Return whether a backup lacks the pause: it leaves no trace in the mesh."""
        return self.world.was_restored and not any(
            isinstance(fact, Decided) and fact.action == "pause" and fact.rollout == trace.rollout
            for fact in trace.disk.facts
        )

    def after_step(self) -> None:
        if self._asked is None:
            return
        at, fact = self._asked
        well_since = self.chronicle.well_since
        if well_since is not None and self.world.now - max(at, well_since) > _SOON:
            self.break_(f"nobody has answered {fact.command} for {self.world.now - at:.0f} s")
            self._asked = None


class PausesEnd(Invariant):
    """A pause that nobody ends is over with the plan's patience, whatever else goes on."""

    code = "people"
    text = "a pause that nobody ends is over with the plan's patience"

    def __init__(self, chronicle: Chronicle) -> None:
        super().__init__(chronicle)
        self._told: set[tuple[int, str]] = set()

    def after_step(self) -> None:
        since = self.chronicle.well_since
        if since is None or self.world.now - since < _NOTICED or self.chronicle.trusts_wall_clock:
            return
        for trace in self.chronicle.traces.values():
            is_open = trace.last is not None and trace.last.action == "pause"
            if not is_open or trace.has_ended or trace.key in self._told:
                continue
            begun = next(lived for lived, action in trace.lived if action == "pause")
            lived = self.world.lived - begun
            if lived > trace.plan.spec.patience + _NOTICED:
                self._told.add(trace.key)
                self.break_(f"a pause has lasted for {lived:.0f} s")


class HooksAreCalledOnce(Invariant):
    """A hook that has answered is not called again."""

    code = "hooks"
    text = "a hook that has answered is not called again"

    def __init__(self, chronicle: Chronicle) -> None:
        super().__init__(chronicle)
        self._answered: set[tuple[str, str]] = set()

    def on_entries(self, disk: SimulatedDisk, entries: Sequence[Entry]) -> None:
        super().on_entries(disk, entries)
        for entry in entries:
            fact = entry.fact
            if isinstance(fact, HookAnswered) and not fact.problem:
                self._answered.add((fact.rollout, fact.hook))
            is_again = isinstance(fact, HookCalled) and (fact.rollout, fact.hook) in self._answered
            if is_again and not self.world.was_restored and len(self.world.disks) == 1:
                self.break_(f"{entry.fact.rollout} called a hook again that had answered")
