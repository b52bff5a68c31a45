"""I1 to I3: what is written is valid, recorded before, and never raises the canary again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rollout.decide.record.facts import Decided, Fact
from rollout.decide.record.route_facts import Confirmed, Drifted
from rollout.decide.record.split import Split
from rollout.decide.record.write_id import WriteId
from rollout.kube.kinds import Json
from rollout.ports import Entry
from rollout.stories.invariants.base import LOWERING, RAISING, Invariant, RolloutTrace
from rollout.stories.world.apiserver import AcceptedWrite
from rollout.stories.world.process import SimulatedProcess
from rollout.stories.world.routes import (
    PLURALS,
    Shares,
    has_both_arms,
    is_canary,
    list_entries,
    list_routes,
    read_shares,
    takes_users,
)
from rollout.stories.world.store import SimulatedDisk

_OURS, _MARK = ".surefoot.dev/", "mark.surefoot.dev/"
_ENDS = frozenset({"roll back", "promote", "undo"})
_EQUAL = 1e-3


def read_mark(live: Json) -> WriteId | None:
    """Return the decision that an object names; None where it names none."""
    if "file" in (live.get("spec") or {}):
        return WriteId.parse(str(live["spec"]["file"].get("version_info", "")))
    marks = [text for key, text in _list_notes(live).items() if key.startswith(_MARK)]
    return WriteId.parse(marks[0]) if marks else None


def _list_notes(live: Json) -> Mapping[str, str]:
    notes = (live.get("metadata") or {}).get("annotations") or {}
    return {key: text for key, text in notes.items() if _OURS in key}


def shows(shares: Shares, split: Split) -> bool:
    """Return whether an object does with requests what a split says."""
    copied, canary = (split.share, 0.0) if split.way == "mirror" else (0.0, split.share)
    return abs(shares.canary - canary) < _EQUAL and abs(shares.copied - copied) < _EQUAL


class WeightsAreValid(Invariant):
    """Weights are whole, not negative, not all zero, of one sum, and within the step's cap."""

    code = "I1"
    text = "weights are valid on every route, and within the cap of the plan's step"

    def on_write(self, write: AcceptedWrite) -> None:
        totals, moved = set(), set()
        for route in list_routes(write.after):
            entries = list_entries(route)
            if has_both_arms(route):
                moved.add(sum(entry.get("weight", 0) for entry in entries if is_canary(entry)))
            if not any(map(is_canary, entries)) or not takes_users(route):
                continue
            weights = [entry.get("weight", 0) for entry in entries]
            is_number = all(isinstance(weight, int) and weight >= 0 for weight in weights)
            if not is_number or (len(entries) > 1 and not any(weights)):
                self.break_(f"a route has the weights {weights}")
                return
            totals.add(sum(weights))
        if len(moved) > 1:
            self.break_(f"routes give the canary the weights {sorted(moved)}")
        if len(totals) > 1:
            self.break_(f"routes have the sums {sorted(totals)}")

    def on_decision(self, trace: RolloutTrace, fact: Decided) -> None:
        caps = {"advance": 0.5, "reallocate": 0.8, "hold back": 0.9, "promote": 1.0}
        if fact.action not in caps:
            return
        if fact.split.share > caps[fact.action] + _EQUAL:
            self.break_(f"{fact.action} to {fact.split.share:.0%}")
        if fact.action != "advance" or fact.split.way == "mirror":
            return
        if fact.split.share > 0.1 + _EQUAL and _find_share_before(trace, fact) < 0.1 - _EQUAL:
            self.break_(f"a step was left out: advance to {fact.split.share:.0%}")


def _find_share_before(trace: RolloutTrace, fact: Decided) -> float:
    """Return the share that the rollout wanted, or that somebody else had set, before."""
    for earlier in reversed(trace.disk.facts[: _index(trace, fact)]):
        if earlier.rollout != trace.rollout:
            continue
        if isinstance(earlier, Drifted):
            return earlier.seen.served_share
        if isinstance(earlier, Decided):
            return earlier.split.served_share
    return 0.0


def _index(trace: RolloutTrace, fact: Fact) -> int:
    return next(
        index for index in reversed(range(len(trace.disk.facts))) if trace.disk.facts[index] is fact
    )


def _find_last_move(facts: Sequence[Fact], service: str, live: Json) -> WriteId:
    """Return the decision of a write without a mark: the service's newest, which has to be an end.

    A rollout's id begins with its plan's name, and that with the service's.
    """
    for number, fact in reversed([*enumerate(facts, 1)]):
        is_own = fact.rollout.startswith(f"{service}-")
        if is_own and isinstance(fact, Decided) and fact.action not in {"hold", "pause"}:
            is_end = fact.action in _ENDS and not _list_notes(live)
            return WriteId(fact.rollout, number if is_end else 0)
    return WriteId("", 0)


class RecordedFirst(Invariant):
    """Every write is one durable decision's, and only some kinds may raise or lower the canary."""

    code = "I2"
    text = "every write is exactly one record's, which is durable before it"

    def on_write(self, write: AcceptedWrite) -> None:
        process = next(p for p in self.world.processes if p.name == write.writer)
        facts = process.disk.facts
        named = read_mark(write.after) or _find_last_move(facts, write.key[1], write.after)
        rollout, number = named.rollout, named.decision
        if not 0 < number <= len(facts):
            if not self.world.was_restored:
                self.break_(f"the write names entry {number}, which is not durable")
            return
        fact, before, after = facts[number - 1], read_shares(write.before), read_shares(write.after)
        if not isinstance(fact, Decided) or fact.rollout != rollout:
            self.break_(f"the write names entry {number}, which is no decision of {rollout}")
        elif not shows(after, fact.split):
            self.break_(
                f"entry {number} decides {fact.split.share:.0%}, written is {after.canary:.0%}"
                f" and {after.copied:.0%} copied"
            )
        else:
            self._check_direction(process, fact, before.canary, after.canary)

    def on_entries(self, disk: SimulatedDisk, entries: Sequence[Entry]) -> None:
        """Check that a confirmation is true: the object shows what it says."""
        world = self.world
        is_odd = world.touched or world.was_restored or len(world.processes) > 1
        for entry in entries:
            fact, trace = entry.fact, self.chronicle.trace(disk, entry.fact.rollout)
            if not isinstance(fact, Confirmed) or trace is None or is_odd or fact.unreachable:
                continue
            shares = read_shares(world.api.objects.get(world.find_key(trace.service)))
            is_ours = any(decided.split.canary for _, _, decided in trace.decisions)
            if is_ours and not shows(shares, fact.split):
                self.break_(f"{fact.split.share:.0%} is confirmed, the route has {shares}")
            elif is_ours and not self._is_taken(trace.service, fact.split):
                self.break_(f"{fact.split.share:.0%} is confirmed, and Envoy has not taken it")

    def _is_taken(self, service: str, split: Split) -> bool:
        """Return whether an Envoy of a file runs a split: what it dumps, and not what it is given.

        An object is what its API server says.
        """
        proxy = self.world.proxies[0]
        return self.world.find_key(service)[0] != PLURALS["envoy"] or shows(
            proxy.shares[service], split
        )

    def _check_direction(
        self, process: SimulatedProcess, fact: Decided, before: float, after: float
    ) -> None:
        trace = self.chronicle.trace(process.disk, fact.rollout)
        is_reverted = trace is not None and trace.plan.spec.on_drift == "revert"
        is_mirrored = fact.split.way == "mirror"
        if after > before + _EQUAL and fact.action not in RAISING and not is_reverted:
            self.break_(f"a {fact.action} raised the canary from {before:.0%} to {after:.0%}")
        if after < before - _EQUAL and fact.action not in LOWERING and not is_mirrored:
            # Another journal's promotion leaves no mark, so that it is as a hand's edit.
            is_touched = "weights" in self.world.touched or self.world.was_restored
            is_touched = is_touched or len(self.world.disks) > 1
            if not (is_reverted and is_touched):
                self.break_(f"a {fact.action} lowered the canary from {before:.0%} to {after:.0%}")


class NeverRaisesAgain(Invariant):
    """After a rollback is durable, nothing of that rollout raises the canary's weight again."""

    code = "I3"
    text = "after a rollback no write and no decision of that rollout raises the canary"

    def on_write(self, write: AcceptedWrite) -> None:
        process = next(p for p in self.world.processes if p.name == write.writer)
        facts = process.disk.facts
        named = read_mark(write.after) or _find_last_move(facts, write.key[1], write.after)
        rollout = named.rollout
        trace = self.chronicle.trace(process.disk, rollout)
        is_up = read_shares(write.after).canary > read_shares(write.before).canary + _EQUAL
        if trace is not None and trace.is_rolled_back and is_up and not self.world.was_restored:
            self.break_(f"{rollout} was rolled back, and its weight was raised")

    def on_decision(self, trace: RolloutTrace, fact: Decided) -> None:
        earlier = [decided for _, _, decided in trace.decisions if decided is not fact]
        is_over = any(decided.action == "roll back" for decided in earlier)
        if is_over and fact.split.canary and not self.world.was_restored:
            self.break_(f"{fact.action} to {fact.split.share:.0%} after a rollback")
