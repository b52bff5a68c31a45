"""Counts looks for the journal, each from where the last recorded one ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from analysis.counting.cursor import Cursor, Series
from analysis.fast_replace import replace
from rollout.decide.record.tally import LookTally
from rollout.observe.bulk.catalogue import BulkAnswer, Catalogue
from rollout.observe.bulk.ends import Ends
from rollout.observe.bulk.row_texts import MANY, find_many
from rollout.observe.matrix import Item, by_version
from rollout.observe.parse import ParsedSamples, read_raw
from rollout.observe.query import QueryPart, begin_cursor, measured_parts_of
from rollout.observe.selectors.source import Source
from rollout.observe.tally.digests import DigestKey
from rollout.observe.tally.large import read_again
from rollout.observe.tally.resume import resume
from rollout.observe.tally.standing import Standing, Standings, list_processes, target_of
from rollout.observe.tally.sums import build_tally
from rollout.ports import Ask

LastAnswer = BulkAnswer | Mapping[tuple[str, str], Sequence[Item]]
"""The samples that were counted last, as they were read again."""

Waiting = tuple[Source, QueryPart, LookTally]


@dataclass
class LookCounter:
    """The counting of all rollouts that one observer serves."""

    key: DigestKey
    _catalogues: dict[Source, Catalogue] = field(default_factory=dict)
    _standings: Standings = field(default_factory=Standings)

    def begin(self, asks: Sequence[Ask], now: float) -> list[Waiting]:
        """Return the guardrails whose last samples have to be read again first."""
        if self._standings.forget_ended([a.rollout for a in asks if a.marks is not None], now):
            self._catalogues.clear()  # whoever goes on fills them again
        return [
            (source, query_part, mark)
            for ask in asks
            for source, query_part in measured_parts_of(ask)
            if (mark := (ask.marks or {}).get(query_part.guardrail)) is not None
            and self._standings.recall(query_part.rollout, query_part.guardrail, mark) is None
        ]

    def find_catalogue(self, source: Source) -> Catalogue:
        """Return what is known of the labels of a source's series."""
        return self._catalogues.setdefault(source, Catalogue(source))

    def read_again(self, source: Source, result: object) -> LastAnswer:
        """Return an answer with samples of then, by version. Raises ObserveError."""
        if (rows := find_many(result, MANY)) is not None:
            return self.find_catalogue(source).read(rows)
        return by_version(source, result)

    def take_up(
        self, source: Source, query_part: QueryPart, mark: LookTally, answer: LastAnswer
    ) -> None:
        """Take up where `mark` ended, by samples of then. Raises ObserveError."""
        query_part = replace(query_part, cursor=Cursor(grid=mark.grid))
        name, ends = self.key.of(query_part.rollout, query_part.guardrail), Ends()
        if isinstance(answer, BulkAnswer):
            raw, ends = read_again(source, query_part, answer, mark, name)
        else:
            raw = read_raw(source, query_part, answer)
        standing = resume(raw, mark, self.key, ends)
        self._standings.keep(query_part.rollout, query_part.guardrail, mark, mark, standing)

    def continue_parts(self, ask: Ask) -> Iterator[tuple[Source, QueryPart]]:
        """Yield what to ask for a rollout, with the cursors of this process.

        A guardrail that could not be taken up is left out. Without marks the ask's cursors count.
        """
        for source, query_part in measured_parts_of(ask):
            if ask.marks is None:
                yield source, query_part
            elif (standing := self._find(ask, query_part.guardrail)) is not None:
                cursor = begin_cursor(ask, query_part.metric, standing.cursor)
                is_gone = _GoneTargets(self.key, query_part, standing.gone)
                counted_part = replace(
                    query_part,
                    cursor=cursor,
                    is_gone=is_gone,
                    is_counted=True,
                    processes=standing.processes,
                    lost=standing.lost,
                )
                yield source, counted_part

    def count(self, ask: Ask, samples: ParsedSamples) -> tuple[LookTally, tuple[str, ...]] | None:
        """Return what the journal keeps of a guardrail's look, and in words what was not believed.

        None where nothing is new. The cursor moves once a state has the tally.
        """
        query_part, belief = samples.query_part, samples.belief
        before = self._find(ask, query_part.guardrail)
        if belief is None or before is None or not belief.cursor.last:
            return None
        is_gone = _GoneTargets(self.key, query_part, before.gone)
        after = Standing(
            belief.cursor,
            {**before.processes, **samples.processes, **list_processes(samples.series)},
            is_gone.list_still_gone(samples.series),
            lost=before.lost,
        )
        tally = build_tally(query_part, belief, after, self.key)
        if samples.judges:
            name = self.key.of(query_part.rollout, query_part.guardrail)
            judges = tuple(sorted(name(f"judge {judge}") for judge in samples.judges))
            tally = tally.model_copy(update={"judges": judges})
        mark = (ask.marks or {}).get(query_part.guardrail)
        self._standings.keep(query_part.rollout, query_part.guardrail, mark, tally, after)
        return tally, (*before.words, *samples.unbelieved)

    def _find(self, ask: Ask, guardrail: str) -> Standing | None:
        mark = (ask.marks or {}).get(guardrail)
        if mark is None:
            return Standing(ask.cursors.get(guardrail, Cursor()))
        return self._standings.recall(ask.rollout, guardrail, mark)


@dataclass(frozen=True)
class _GoneTargets:
    """Tells the series of targets that were not there when the last samples were read again."""

    key: DigestKey
    query_part: QueryPart
    gone: Mapping[str, float]

    def __call__(self, series: Series) -> bool:
        return bool(self.gone) and self._name(series) in self.gone

    def list_still_gone(self, series: Sequence[Series]) -> Mapping[str, float]:
        """Return the targets of which no series is there now."""
        if not self.gone:
            return self.gone
        back = {self._name(entry) for entry in series}
        return {target: at for target, at in self.gone.items() if target not in back}

    def _name(self, series: Series) -> str:
        return self.key.of(self.query_part.rollout, self.query_part.guardrail)(target_of(series))
