"""I14, I15, I18 and I19: the journal replays, is whole, shows no label, and keeps to its plan."""

from __future__ import annotations

from collections.abc import Sequence

from rollout.decide.record.facts import Decided, Started
from rollout.decide.step import step
from rollout.errors import JournalError
from rollout.journal.hash_chain import verify
from rollout.ports import Entry
from rollout.stories.invariants.base import Invariant
from rollout.stories.world.apiserver import AcceptedWrite
from rollout.stories.world.exporters import PRIVATE
from rollout.stories.world.store import SimulatedDisk


class Replays(Invariant):
    """The recorded facts lead to the recorded decisions, word by word."""

    code = "I14"
    text = "recorded facts lead to the recorded decisions again"

    def at_end(self) -> None:
        for disk in self.world.disks:
            self._replay(disk)

    def _replay(self, disk: SimulatedDisk) -> None:
        folded = self.chronicle.fold(disk)
        for seq, (fact, state) in enumerate(zip(folded.facts, folded.met, strict=True), 1):
            if isinstance(fact, Decided) and state is not None:
                again = step(state, fact.at, fact.rollout, fact.lived)
                if again != fact:
                    self.break_(f"entry {seq} decides {fact.action}, again it is {again}")
                    return


class KeepsChain(Invariant):
    """The journal's rows are one unbroken chain, and nobody goes on behind what cannot be read."""

    code = "I15"
    text = "the journal is one chain, and nobody goes on behind an altered or unknown entry"

    def on_entries(self, disk: SimulatedDisk, entries: Sequence[Entry]) -> None:
        where = entries[0].seq - 2
        if 0 <= where < len(disk.rows) and where in disk.altered:
            self.break_(f"entry {entries[0].seq} was sealed onto an altered one")

    def on_write(self, write: AcceptedWrite) -> None:
        process = next(p for p in self.world.processes if p.name == write.writer)
        if process.disk.has_newer_entry:
            self.break_(f"{write.writer} wrote, and its journal ends with what it cannot read")

    def at_end(self) -> None:
        for disk in self.world.disks:
            try:
                verify(disk.rows)
            except JournalError as error:
                self.break_(str(error))


class HidesLabels(Invariant):
    """No label's value reaches the journal, a message or a hook."""

    code = "I18"
    text = "no label's value is recorded, told or sent"

    def at_end(self) -> None:
        texts = {
            "the journal": (row.text for disk in self.world.disks for row in disk.rows),
            "a message": iter([*self.world.problems, *self.world.tracebacks]),
            "a hook": (str(call) for _, call in self.world.hook_calls),
        }
        for where, lines in texts.items():
            if any(PRIVATE in line for line in lines):
                self.break_(f"a label's value stands in {where}")


class KeepsPlan(Invariant):
    """No plan begins while another of its service goes on."""

    code = "I19"
    text = "an edited plan changes nothing until the rollout has ended"

    def on_entries(self, disk: SimulatedDisk, entries: Sequence[Entry]) -> None:
        super().on_entries(disk, entries)
        for entry in entries:
            fact = entry.fact
            if not isinstance(fact, Started) or fact.rollout not in self.world.edited:
                continue
            if self.world.was_restored:
                continue
            index = self.world.disks.index(disk)
            traces = [
                trace
                for (number, rollout), trace in self.chronicle.traces.items()
                if number == index and rollout != fact.rollout
            ]
            for trace in traces:
                is_same = trace.service == fact.plan["spec"]["service"]
                if is_same and not self._has_ended(disk, trace.rollout):
                    self.break_(f"{fact.rollout} began while {trace.rollout} goes on")

    def _has_ended(self, disk: SimulatedDisk, rollout: str) -> bool:
        return any(
            fact.rollout == rollout
            and (getattr(fact, "stable", None) is not None or getattr(fact, "action", "") == "end")
            for fact in disk.facts
        )
