"""Looks that bring evidence, through the whole tick: what is recorded and what is decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest

from analysis.counting.cursor import Series
from analysis.counting.origin import Origin, series_id
from rollout.decide.fold import fold
from rollout.decide.record.facts import Decided, Observed
from rollout.decide.state.rollout import RolloutState
from rollout.decide.step import step
from rollout.journal.hash_chain import parse, seal
from rollout.ports import Answer, Ask, Observer
from tests.support.worlds import Lab


@dataclass
class Evident:
    """An observer with evidence: each series was not there a scrape before it appeared.

    `off_scale` is the share of scores that are no numbers, by arm; they count beyond the last edge.
    """

    world: Observer
    off_scale: Mapping[str, float]
    unbelieved: str = ""
    born: set[tuple[str, str, str]] = field(default_factory=set)

    def observe(self, asks: Sequence[Ask], now: float) -> Mapping[str, Answer]:
        return {r: self._of(answer) for r, answer in self.world.observe(asks, now).items()}

    def _of(self, answer: Answer) -> Answer:
        series = {name: tuple(map(self._spoil, group)) for name, group in answer.series.items()}
        origins = {
            name: {
                series_id(s.arm, s.key): Origin("m{code}", (s.samples[0][0] - 1,), "scrape")
                for s in group
                if self._is_new(name, s)
            }
            for name, group in series.items()
        }
        unbelieved = {"errors": (self.unbelieved,)} if self.unbelieved else {}
        return Answer(series, answer.problems, origins, unbelieved)

    def _is_new(self, name: str, series: Series) -> bool:
        before = len(self.born)
        self.born.add((name, series.arm, series.key))
        return len(self.born) > before

    def _spoil(self, series: Series) -> Series:
        if series.key != "score":
            return series
        share = self.off_scale.get(series.arm, 0.0)
        rows = [(at, (*v[:-1], v[-1] + float(int(share * v[-1])))) for at, v in series.samples]
        return replace(series, samples=tuple(rows))


def run(**options):
    lab = Lab(wrap=lambda ports: replace(ports, observer=Evident(ports.observer, **options)))
    lab.run()
    return lab


@pytest.mark.parametrize("off_scale", [{}, {"canary": 0.3, "stable": 0.3}])
def test_a_good_canary_is_promoted_and_its_journal_decides_again_the_same(off_scale):
    lab = run(off_scale=off_scale)
    assert lab.state.phase == "promoted"
    state: RolloutState | None = None
    for entry in lab.journal.read():
        fact = parse(seal("", 1, entry.fact)).fact
        if isinstance(fact, Decided) and state is not None:
            assert step(state, fact.at, fact.rollout) == fact
        state = fold(state, fact, entry.seq)


def test_scores_that_are_none_on_one_version_hold_its_promotion_in_words():
    lab = run(off_scale={"canary": 0.3})
    assert lab.state.phase != "promoted"
    assert "of the canary's scores are NaN or beyond the scale" in lab.decisions[-1].sentence


def test_looks_that_are_not_believed_have_no_say_in_the_traffic_share():
    lab = run(off_scale={}, unbelieved="a series leapt")
    assert lab.state.traffic_tally.requests == 0
    observed = [entry.fact for entry in lab.journal.read() if isinstance(entry.fact, Observed)]
    assert observed[-1].unbelieved == {"errors": ("a series leapt",)}
