"""Serves stable's past as a rollout's observer: some of its pods play the canary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from analysis.counting.cursor import Arm, Series
from analysis.counting.per_pod import TickCounts
from rollout.calibrate.draw import Draw, Recording
from rollout.decide.evidence.exposure import exposure_guardrail
from rollout.plan.model.plan import Guardrail
from rollout.ports import Answer, Ask, PodHistory
from rollout.simulate import MemoryRouter


@dataclass
class Replay:
    """An Observer and HistorySource that serves one draw of the past, one tick per look.

    The recorded traffic of the arms does not follow the mesh's weight, so each look is thinned: of
    the arm that had too much, every unit stays with the same probability. The result has the law
    of a mesh that sends each request to an arm at random.
    """

    past: Recording
    draw: Draw
    router: MemoryRouter
    dice: np.random.Generator
    begun: float
    looked: int = 0
    totals: dict[tuple[str, Arm], TickCounts] = field(default_factory=dict)

    def __post_init__(self) -> None:
        arms: tuple[tuple[Arm, tuple[str, ...]], ...] = (
            ("canary", self.draw.canary),
            ("stable", self.draw.stable),
        )
        self._units = {
            (name, arm): self.past.arm(name, self.draw, pods)
            for name in self.past.pods
            for arm, pods in arms
        }

    def observe(self, asks: Sequence[Ask], now: float) -> Mapping[str, Answer]:
        """Answer as the Observer port does; nothing is new once the draw is over."""
        due = round((now - self.begun) / self.past.plan.spec.interval)
        while self.looked < min(due, self.draw.looks):
            self._serve_tick()
        return {ask.rollout: self._answer(ask) for ask in asks}

    def history(self, ask: Ask, now: float) -> PodHistory:
        """Answer as the HistorySource port does, with the past that this replay does not serve."""
        del ask, now
        return PodHistory(self.past.unseen(self.draw), labels=self.past.labels)

    def _serve_tick(self) -> None:
        share = self.router.share(self.past.plan)
        probabilities = self._compute_keep_probabilities(share)
        for (name, arm), units in self._units.items():
            if arm == "canary" and not share:
                continue
            counts = self._split_kinds(name, units[self.looked])
            added = (
                self.dice.binomial(counts, probabilities[arm]) if probabilities[arm] < 1 else counts
            )
            self.totals[name, arm] = self.totals.get((name, arm), np.zeros_like(counts)) + added
        self.looked += 1

    def _compute_keep_probabilities(self, share: float) -> dict[Arm, float]:
        """Return each arm's probability of keeping a unit, so that the canary gets its share."""
        name = exposure_guardrail(self.past.plan)
        requests: dict[Arm, float] = {}
        for (guardrail, arm), units in self._units.items():
            if guardrail == name:
                requests[arm] = float(self._split_kinds(name, units[self.looked]).sum())
        if share >= 1:
            return {"canary": 1.0, "stable": 0.0}
        if not share or not requests["canary"] or not requests["stable"]:
            return {"canary": float(share > 0), "stable": 1.0}
        desired = requests["stable"] * share / (1 - share)
        ratio = desired / requests["canary"]
        return {"canary": min(1.0, ratio), "stable": min(1.0, 1 / ratio)}

    def _split_kinds(self, name: str, units: TickCounts) -> TickCounts:
        """Return disjoint kinds, which thinning needs: good and bad units, or histogram buckets."""
        return units if self.past.pods[name].edges else np.array([units[0] - units[1], units[1]])

    def _answer(self, ask: Ask) -> Answer:
        at = self.begun + self.looked * self.past.plan.spec.interval
        by_guardrail = {
            g.name: tuple(self._build_series(g, at))
            for g in ask.plan.spec.guardrails
            if at > ask.since.get(g.name, float("-inf"))
        }
        return Answer({name: series for name, series in by_guardrail.items() if series})

    def _build_series(self, guardrail: Guardrail, at: float) -> list[Series]:
        edges = self.past.pods[guardrail.name].edges
        series = []
        for arm in ("canary", "stable"):
            total = self.totals.get((guardrail.name, arm))
            if total is None and arm == "stable":
                total = np.zeros(len(edges) or 2, dtype=np.int64)
            if total is not None:
                series += _build_arm_series(arm, total, edges, at)
        return series


def _build_arm_series(
    arm: Arm, total: TickCounts, edges: tuple[float, ...], at: float
) -> list[Series]:
    if edges:
        return [Series("all", arm, ((at, tuple(map(float, total.cumsum()))),), edges=edges)]
    return [
        Series("bad" if bad else "good", arm, ((at, (float(total[int(bad)]),)),), bad=bad)
        for bad in (False, True)
    ]
