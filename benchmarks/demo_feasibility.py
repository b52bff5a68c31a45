"""How long the demo's rollouts take, simulated at its settings through the real analysis room.

100 requests/s, a look every 2 s, weights 5-25-50 % of 8 s each, a warm-up of 4 s, 60 % of the
responses scored 6 s late; margin ratio 1 and absolute 1 %, latency tolerance 25 %, score tolerance
.04; error rates 1 % (rollback) and 5 % (promotion). Times are seconds from the canary's first
request to the decision; routing and scraping are not simulated.

    python benchmarks/demo_feasibility.py [--full] [--json FILE] [--seed N]
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis.evidence import Evidence
from analysis.guard import Capital, RateRule, Rule, ShapeRule, learn, look, start, watch
from analysis.verdict import Guarded, judge

Fold = Callable[[Rule, Capital, Evidence], Capital]
ALPHA, BETA = 0.01, 0.05
RATE, LOOK, STEPS, BAKE, WARMUP, LAG, SCORED = 100, 2.0, (0.05, 0.25, 0.5), 8.0, 4.0, 6.0, 0.6
DEADLINE = 240.0
MILLISECONDS = (
    *(10, 12, 15, 16, 20, 24, 25, 30, 32, 40, 48, 50, 60, 64, 80, 96, 100, 120, 150, 160),
    *(200, 240, 250, 300, 320, 400, 480, 500, 640, 800, 1000, 1600, 3200, 6400, math.inf),
)
SCORES = (*(round(0.02 * i, 2) for i in range(51)), math.inf)
RULES: dict[str, Rule] = {
    "errors": RateRule(1.0, 0.01),
    "latency": ShapeRule(0.25, relative=True, worse="high"),
    "accuracy": ShapeRule(0.04, relative=False, worse="low"),
}


@dataclass(frozen=True)
class Version:
    """How a version behaves: error share, share of slow requests (3 times slower), score lost."""

    errors: float = 0.005
    slow: float = 0.0
    loss: float = 0.0


WORLDS = {
    "good": Version(),
    "errors": Version(errors=0.04),
    "latency": Version(slow=0.15),
    "accuracy": Version(loss=0.08),
    "all": Version(0.04, 0.15, 0.08),
    "crash": Version(errors=1.0),
}


@dataclass(frozen=True)
class Outcome:
    """One simulated rollout."""

    action: str
    seconds: float
    cause: tuple[str, ...]
    last: str


class Traffic:
    """Requests per look and arm, with the scores that arrive late."""

    def __init__(self, rng: np.random.Generator, canary: Version) -> None:
        self.rng, self.versions = rng, (canary, Version())
        self.late: list[tuple[np.ndarray, ...]] = []

    def look(self, weight: float) -> dict[str, Evidence]:
        """One look's evidence by guardrail at a canary weight."""
        total = self.rng.poisson(RATE * LOOK)
        canary = self.rng.binomial(total, weight)
        counts = (int(canary), int(total - canary))
        arms = tuple(zip(self.versions, counts, strict=True))
        self.late.append(tuple(self._scores(v, n) for v, n in arms))
        delay = round(LAG / LOOK)
        scores = self.late[-1 - delay] if len(self.late) > delay else None
        bad = [int(self.rng.binomial(n, v.errors)) for v, n in arms]
        slow = [_buckets(self._durations(v, n), MILLISECONDS) for v, n in arms]
        return {
            "errors": Evidence((counts[0], bad[0]), (counts[1], bad[1])),
            "latency": Evidence(slow[0], slow[1], MILLISECONDS),
            "accuracy": Evidence(_buckets(scores[0], SCORES), _buckets(scores[1], SCORES), SCORES)
            if scores
            else Evidence(),
        }

    def _durations(self, version: Version, n: int) -> np.ndarray:
        times = 50 * np.exp(self.rng.normal(0, 0.4, n))
        return 3 + times * np.where(self.rng.random(n) < version.slow, 3, 1)

    def _scores(self, version: Version, n: int) -> np.ndarray:
        scored = self.rng.binomial(n, SCORED)
        return np.clip(self.rng.normal(0.6 - version.loss, 0.1, scored), 0, 1)


def _buckets(values: np.ndarray, edges: tuple[float, ...]) -> tuple[int, ...]:
    places = np.searchsorted(edges, values)
    return tuple(map(int, np.bincount(places, minlength=len(edges))))


def rollout(world: str, rng: np.random.Generator, history: float = 6.0) -> Outcome:
    """One rollout from `history` seconds before the canary's first request to its end."""
    traffic, capital = Traffic(rng, WORLDS[world]), {n: start(rule) for n, rule in RULES.items()}
    for _ in range(round(history / LOOK)):
        capital = _each(learn, capital, traffic.look(0.0))
    now = since = 0.0
    step, last, judgement = 0, "", None
    while now < DEADLINE:
        evidence = traffic.look(STEPS[step])
        now += LOOK
        capital = _each(watch if now <= WARMUP else look, capital, evidence)
        judgement = judge(
            {n: Guarded(rule, capital[n], 1.0) for n, rule in RULES.items()}, ALPHA, BETA
        )
        waiting = [n for n, verdict in judgement.verdicts.items() if verdict.kind != "safe"]
        if judgement.harmful:
            return Outcome("rolled back", now, judgement.cause, "")
        if now - since >= BAKE and step < len(STEPS) - 1:
            step, since = step + 1, now
        elif now - since >= BAKE and judgement.safe:
            return Outcome("promoted", now, (), last)
        last = ",".join(waiting) or last
    return Outcome("undecided", now, (), last)


def _each(fold: Fold, capital: dict[str, Capital], seen: dict[str, Evidence]) -> dict[str, Capital]:
    return {n: fold(rule, capital[n], seen[n]) for n, rule in RULES.items()}


def summary(outcomes: list[Outcome]) -> dict[str, Any]:
    """Shares of actions, quantiles of the time, causes and last unproven metrics."""
    seconds = np.array([outcome.seconds for outcome in outcomes])
    actions = [outcome.action for outcome in outcomes]
    causes = ["+".join(outcome.cause) or outcome.last for outcome in outcomes]
    return {
        "runs": len(outcomes),
        "median_s": float(np.median(seconds)),
        "p95_s": float(np.quantile(seconds, 0.95)),
        "actions": {action: actions.count(action) for action in sorted(set(actions))},
        "why": {cause: causes.count(cause) for cause in sorted(set(causes))},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--full", action="store_true", help="1000 runs a world, not 100")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    runs = 1000 if options.full else 100
    results = {}
    for place, world in enumerate(WORLDS):
        streams = np.random.default_rng([options.seed, place]).spawn(runs)
        results[world] = summary([rollout(world, rng) for rng in streams])
        print(f"{world:9} {results[world]}")
    print(f"seed {options.seed}, {runs} runs a world")
    if options.json:
        options.json.write_text(json.dumps({"seed": options.seed, "worlds": results}, indent=2))
    return 0 if all(reached(world, results[world]) for world in WORLDS) else 1


def reached(world: str, result: dict[str, Any]) -> bool:
    """The demo's promise, less what starting and routing take: 19 of 20 in 100 and in 50 s."""
    right, limit = ("promoted", 100) if world == "good" else ("rolled back", 50)
    often = result["actions"].get(right, 0) >= 0.95 * result["runs"]
    return bool(often and result["p95_s"] <= limit)


if __name__ == "__main__":
    sys.exit(main())
