"""Stable's past as the world of a rollout: some of its pods are the canary, at any weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from analysis.counting.cursor import Arm, Series
from analysis.counting.per_pod import Counts
from rollout.calibrate.draw import Draw, Recording
from rollout.decide.evidence.exposure import exposure_guardrail
from rollout.plan.model.plan import Guardrail
from rollout.ports import Answer, Ask, PodHistory
from rollout.simulate import MemoryRouter


@dataclass
class Replay:
    """An Observer and Historian that shows one draw of the past, a tick of it per look.

    Both arms had the traffic that they had, so each look is thinned to the weight of the mesh: of
    the arm that had too much, every unit is kept with one probability. That is what a mesh does
    that sends every request by chance, whatever the pods do with it.
    """

    past: Recording
    draw: Draw
    router: MemoryRouter
    dice: np.random.Generator
    begun: float
    looked: int = 0
    totals: dict[tuple[str, Arm], Counts] = field(default_factory=dict)

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
        """The Observer port; nothing is new once the draw is over."""
        due = round((now - self.begun) / self.past.plan.spec.interval)
        while self.looked < min(due, self.draw.looks):
            self._serve()
        return {ask.rollout: self._answer(ask) for ask in asks}

    def history(self, ask: Ask, now: float) -> PodHistory:
        """The Historian port: what this rollout itself does not see."""
        del ask, now
        return PodHistory(self.past.unseen(self.draw))

    def _serve(self) -> None:
        share = self.router.share(self.past.plan)
        kept = self._kept(share)
        for (name, arm), units in self._units.items():
            if arm == "canary" and not share:
                continue
            whole = self._whole(name, units[self.looked])
            added = self.dice.binomial(whole, kept[arm]) if kept[arm] < 1 else whole
            self.totals[name, arm] = self.totals.get((name, arm), np.zeros_like(whole)) + added
        self.looked += 1

    def _kept(self, share: float) -> dict[Arm, float]:
        """With which probability each arm keeps a unit, so that the canary has its share."""
        name = exposure_guardrail(self.past.plan)
        requests: dict[Arm, float] = {}
        for (guardrail, arm), units in self._units.items():
            if guardrail == name:
                requests[arm] = float(self._whole(name, units[self.looked]).sum())
        if share >= 1:
            return {"canary": 1.0, "stable": 0.0}
        if not share or not requests["canary"] or not requests["stable"]:
            return {"canary": float(share > 0), "stable": 1.0}
        wanted = requests["stable"] * share / (1 - share)
        part = wanted / requests["canary"]
        return {"canary": min(1.0, part), "stable": min(1.0, 1 / part)}

    def _whole(self, name: str, units: Counts) -> Counts:
        """Disjoint kinds: good and bad units of a rate, buckets of a histogram."""
        return units if self.past.pods[name].edges else np.array([units[0] - units[1], units[1]])

    def _answer(self, ask: Ask) -> Answer:
        at = self.begun + self.looked * self.past.plan.spec.interval
        shown = {
            g.name: tuple(self._series(g, at))
            for g in ask.plan.spec.guardrails
            if at > ask.since.get(g.name, float("-inf"))
        }
        return Answer({name: series for name, series in shown.items() if series})

    def _series(self, guardrail: Guardrail, at: float) -> list[Series]:
        edges = self.past.pods[guardrail.name].edges
        found = []
        for arm in ("canary", "stable"):
            total = self.totals.get((guardrail.name, arm))
            if total is None and arm == "stable":
                total = np.zeros(len(edges) or 2, dtype=np.int64)
            if total is not None:
                found += _shown(arm, total, edges, at)
        return found


def _shown(arm: Arm, total: Counts, edges: tuple[float, ...], at: float) -> list[Series]:
    if edges:
        return [Series("all", arm, ((at, tuple(map(float, total.cumsum()))),), edges=edges)]
    return [
        Series("bad" if bad else "good", arm, ((at, (float(total[int(bad)]),)),), bad=bad)
        for bad in (False, True)
    ]
