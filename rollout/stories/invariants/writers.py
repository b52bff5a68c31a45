"""I11: at most one controller writes."""

from __future__ import annotations

from collections import Counter

from rollout.decide.record.facts import HumanSaid, Started
from rollout.decide.record.write_id import WriteId
from rollout.stories.invariants.base import Chronicle, Invariant
from rollout.stories.invariants.writes import read_mark
from rollout.stories.world.apiserver import AcceptedWrite, Key
from rollout.stories.world.process import SimulatedProcess
from rollout.stories.world.routes import read_shares

_MOST_TURNS = 6


class OneWriter(Invariant):
    """A write is accepted only from the process that holds its journal; journals take no turns."""

    code = "I11"
    text = "at most one controller writes; two never take turns or fight over marks"

    def __init__(self, chronicle: Chronicle) -> None:
        super().__init__(chronicle)
        self._writers: list[int] = []
        self._written_at = 0.0
        self._written_over: Counter[int] = Counter()  # by journal
        self._marked_by: dict[tuple[Key, WriteId | None], int] = {}  # the journal that wrote a mark

    def on_policy(self, write: AcceptedWrite) -> None:
        self._check_holder(write)

    def on_write(self, write: AcceptedWrite) -> None:
        process = self._check_holder(write)
        # What a file says and Envoy does not take, or has not loaded yet, moves no traffic.
        is_file = self.world.setting.mesh == "envoy"
        if is_file and self.world.now < self.world.rejects_until:
            return
        # Two rollbacks that cannot ask Envoy write the same weights under marks of their own.
        if is_file and read_shares(write.before) == read_shares(write.after):
            return
        number = self.world.disks.index(process.disk)
        self._count_over(number, write)
        if is_file and self.world.now < self._written_at + self.world.push_delay:
            del self._writers[-1:]
        self._written_at = self.world.now
        if not self._writers or self._writers[-1] != number:
            self._writers.append(number)
            if len(self._writers) > _MOST_TURNS:
                self.break_(f"controllers of two journals took turns {len(self._writers)} times")
                self._writers = []

    def _count_over(self, number: int, write: AcceptedWrite) -> None:
        """Count a write over the mark of another journal: one for each rollout, and each command.

        Whose mark it is, its writer tells, and not what it says.
        """
        before, after = read_mark(write.before), read_mark(write.after)
        writer = self._marked_by.get((write.key, before)) if before else None
        if after is not None:
            self._marked_by[write.key, after] = number
        if writer in {None, number}:
            return
        self._written_over[number] += 1
        facts = self.world.disks[number].facts
        most = sum(isinstance(fact, Started | HumanSaid) for fact in facts)
        if self._written_over[number] > most:
            self.break_(f"a journal wrote over {before}, the {most + 1}. such mark of another's")

    def _check_holder(self, write: AcceptedWrite) -> SimulatedProcess:
        process = next(p for p in self.world.processes if p.name == write.writer)
        holder = process.disk.holder
        # Where nobody holds it, nobody else writes: what is written is recorded all the same (I2).
        if holder and holder != write.writer:
            self.break_(f"{write.writer} wrote while {holder} held the journal")
        return process

    def after_step(self) -> None:
        leaders = [p.name for p in self.world.processes if p.is_elected and p.leads()]
        if len(leaders) > 1:
            self.break_(f"{' and '.join(leaders)} lead at once")
