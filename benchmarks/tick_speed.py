"""What a look costs in a whole production tick, by its parts and with facts folded twice.

The production `Controller` on in-memory ports, 20 rollouts, all due at every tick: five rates each,
or three rates and two latency histograms of 43 buckets. Beside it the same tick with facts folded
once to think and once more when the journal has taken them, as it was before a state that was
thought of was kept, and the parts of a look alone: folding the samples, judging and deciding,
sealing and reading back.

Times are CPU time; the sides take turns, figures are medians over rounds, ratios of each round's.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from analysis.counting.cursor import Arm, Series
from benchmarks.analysis_speed import DUE, METRICS, Counters, Live, plan, ratio, timed
from rollout.decide.fold import fold
from rollout.decide.record.facts import Observed
from rollout.decide.state.rollout import RolloutState
from rollout.decide.step import step
from rollout.journal.memory import MemoryJournal
from rollout.plan.model.plan import Plan
from rollout.ports import Ask, Entry
from rollout.simulate import LATENCY_EDGES
from rollout.tick.fleet import Fleet

EDGES = (*LATENCY_EDGES, float("inf"))
HISTOGRAMS = 2
_SECONDS = 5_000  # of prepared samples


class Buckets(Counters):
    """Rates as in `Counters`, and latency histograms of 60 canary requests per second."""

    def __init__(self, seed: int) -> None:
        dice = np.random.default_rng(seed)
        shares = np.exp(-(((np.arange(len(EDGES)) - 15) / 3.6) ** 2) / 2)
        looks = dice.multinomial(60, shares / shares.sum(), _SECONDS)
        self._totals = np.cumsum(np.cumsum(looks, axis=0), axis=1).astype(float)

    def _build_series(self, ask: Ask, now: float) -> dict[str, tuple[Series, ...]]:
        values = self._totals[round(now - 1.8e9)]
        arms: tuple[tuple[Arm, int], ...] = (("canary", 1), ("stable", 9))
        both = tuple(
            Series("all", arm, ((now, tuple((values * times).tolist())),), edges=EDGES)
            for arm, times in arms
        )
        rates = super()._build_series(ask, now)
        return {name: both if name.startswith("latency") else r for name, r in rates.items()}


class FoldsTwice(Fleet):
    """A fleet that discards the proposed state and folds each recorded fact again."""

    def fold_entry(self, entry: Entry, proposed: RolloutState | None = None) -> None:
        """See rollout.tick.fleet.Fleet."""
        del proposed
        super().fold_entry(entry)


def mixed(number: int, interval: str) -> Plan:
    """Build a plan with three rates and two histograms."""
    document = plan(number, interval).document()
    shapes = [
        {"name": f"latency-{i}", "template": "envoy/latency", "tolerance": "25%"}
        for i in range(HISTOGRAMS)
    ]
    rates = document["spec"]["guardrails"][: METRICS - HISTOGRAMS]
    document["spec"]["guardrails"] = [*rates, *shapes]
    return Plan.model_validate(document)


def parts(live: Live) -> dict[str, Callable[[], object]]:
    """Return a look's steps, each alone, for every rollout that is due."""
    controller, now = live.controller, live.clock.now() + 1.0
    states = dict(controller.states)
    asks = [Ask(rollout, state.plan, {}) for rollout, state in states.items()]
    answers = controller.ports.observer.observe(asks, now)
    facts = {
        r: Observed(rollout=r, at=now, series=dict(answer.series)) for r, answer in answers.items()
    }
    after = {r: fold(states[r], fact, 1) for r, fact in facts.items()}
    return {
        "fold": lambda: [fold(states[r], fact, 1) for r, fact in facts.items()],
        "decide": lambda: [step(state, now, r) for r, state in after.items()],
        "journal": lambda: MemoryJournal().append(list(facts.values()), 0),
    }


def measured(rounds: int, shape: Callable[[int, str], Plan], observer: Counters) -> dict[str, Any]:
    """Measure microseconds per look of the tick and its steps, and the cost of folding twice."""
    live = partial(Live, DUE, shape=shape, observer=observer)
    once, twice = live(), live(fleet=FoldsTwice())
    sides = {"tick": once.tick, "twice": twice.tick, **parts(once)}
    timed(5, sides)
    times = timed(rounds, sides)
    assert once.controller.states == twice.controller.states
    figures = {
        f"{name}_us": statistics.median(samples) * 1e3 / DUE for name, samples in times.items()
    }
    return {**figures, "twice/tick": ratio(times, "twice", "tick")}


def report(name: str, figures: Mapping[str, Any]) -> None:
    """Print one block of the table."""
    print(
        f"{name:<30} {figures['tick_us']:>7.0f} us a look   (folding {figures['fold_us']:.0f}, "
        f"deciding {figures['decide_us']:.0f}, sealing and reading {figures['journal_us']:.0f})\n"
        f"{'  each fact folded twice':<30} {figures['twice_us']:>7.0f} us   "
        f"{figures['twice/tick']:.2f} times"
    )


def main() -> int:
    """Print the results for both mixes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--json", type=Path, help="write the results here too")
    options = parser.parse_args()
    figures = {
        "five rates": measured(options.rounds, plan, Counters()),
        "three rates, two histograms": measured(options.rounds, mixed, Buckets(seed=1)),
    }
    for name, row in figures.items():
        report(name, row)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
