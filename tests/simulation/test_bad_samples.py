"""Samples that are no counts, in mid-rollout, through the whole tick: blind in words, no number."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import pytest

from analysis.counting.cursor import Series
from rollout.ports import Answer, Ask, Observer
from tests.support.worlds import GOOD, Lab, plan

Change = Callable[[Series], Series]
AFTER = 20.0


@dataclass
class Corrupt:
    """An observer whose samples of one guardrail and arm are changed from some time on."""

    world: Observer
    guardrail: str
    arm: str
    change: Change
    begun: float | None = None

    def observe(self, asks: Sequence[Ask], now: float) -> Mapping[str, Answer]:
        self.begun = self.begun or now
        answers = self.world.observe(asks, now)
        return answers if now - self.begun < AFTER else {k: self._of(a) for k, a in answers.items()}

    def _of(self, answer: Answer) -> Answer:
        series = dict(answer.series)
        if self.guardrail in series:
            series[self.guardrail] = tuple(
                self.change(series_of_arm) if series_of_arm.arm == self.arm else series_of_arm
                for series_of_arm in series[self.guardrail]
            )
        return Answer(series, answer.problems)


def values(change: Callable[[tuple[float, ...]], tuple[float, ...]]) -> Change:
    return lambda series_of_arm: replace(
        series_of_arm, samples=tuple((at, change(v)) for at, v in series_of_arm.samples)
    )


def without_the_fourth(series_of_arm: Series) -> Series:
    fewer = values(lambda v: (*v[:3], *v[4:]))(series_of_arm)
    return replace(fewer, edges=(*series_of_arm.edges[:3], *series_of_arm.edges[4:]))


OF_ANY = {
    "a counter is negative": values(lambda v: tuple(-n - 1 for n in v)),
    "not a whole number": values(lambda v: tuple(n + 0.5 for n in v)),
    "not a finite number": values(lambda v: tuple(math.inf for _ in v)),
    "no longer exact": values(lambda v: tuple(n + 1e17 for n in v)),
}
OF_SHAPES = {
    "bucket counts fall with rising edges": values(lambda v: v[::-1]),
    "does not fit its bucket layout": values(lambda v: v[:-1]),
    "bucket layouts differ": without_the_fourth,
}


@pytest.mark.parametrize("arm", ["canary", "stable"])
@pytest.mark.parametrize(
    ("guardrail", "words", "change"),
    [("errors", *case) for case in OF_ANY.items()]
    + [
        (name, *case)
        for name in ("latency", "accuracy")
        for case in {**OF_ANY, **OF_SHAPES}.items()
    ],
)
def test_it_is_blind_with_the_reason_and_what_was_known_stays(guardrail, words, change, arm):
    lab = Lab(
        GOOD,
        plan=plan(whenBlind={"hold": "10s", "then": "pause"}),
        wrap=lambda ports: replace(ports, observer=Corrupt(ports.observer, guardrail, arm, change)),
    )
    lab.run(AFTER - 0.5)
    test = lab.state.guardrails[guardrail].test
    state = lab.run(20)
    assert state.phase == "paused"
    assert f"blind on {guardrail} for" in lab.decisions[-1].sentence
    assert words in lab.decisions[-1].sentence
    assert state.guardrails[guardrail].test == test
