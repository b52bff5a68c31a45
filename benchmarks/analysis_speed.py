"""What a tick costs: the analysis of 10,000 rollouts x 5 rates, and a whole tick by fleet size.

The first part times `analysis.fleet` (a look and its verdicts) on one core, next to two plain NumPy
passes over a capital array of its size, 18 points x 10,000 x 5: one multiply-add, and one log1p.
Every metric of every due rollout has new samples on both arms, nearly all with bad units: the worst
case. The second part runs the production `Controller` on in-memory ports, in fleets of 100 and
1,000 (`--full`: 5,000) rollouts of which 20 are due at every tick: a tick shall not grow with the
fleet.

Times are the process's CPU time, all threads together (NumPy's passes use one); the sides take
turns, and figures are medians over rounds (ratios: of each round's ratio), so that a busy machine
disturbs all sides alike. Exits 1 where a bar is missed: 10 ms for all due, 1.5 times the smallest
fleet's tick for the largest's.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # the bar is one core's; a second one mostly waits

import numpy as np

from analysis import fleet, fleet_shapes
from analysis.counting.counts import Counts
from analysis.counting.cursor import Arm, Series
from analysis.histograms import alternatives
from analysis.histograms.alternatives import HistogramTolerance
from analysis.rates import excess_bound, ratio_test
from analysis.rates.rate import RateMargin
from analysis.verdict.rate_test import RateTest
from analysis.verdict.verdict import Guarded, judge
from rollout.journal.memory import MemoryJournal
from rollout.plan.model.plan import Plan
from rollout.ports import Answer, Ask, Observer, Ports
from rollout.simulate import LATENCY_EDGES, MemoryRouter, VirtualClock
from rollout.tick.controller import Controller
from rollout.tick.fleet import Fleet

ROLLOUTS, METRICS, DUE = 10_000, 5, 20
LIMIT_MS = 10.0
LIMIT_GROWTH = 1.5

Times = dict[str, list[float]]


def timed(rounds: int, sides: Mapping[str, Callable[[], object]]) -> Times:
    """Measure the milliseconds of each side in every round; the sides take turns."""
    times: Times = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            begun = time.process_time()
            side()
            times[name].append((time.process_time() - begun) * 1e3)
    return times


def ratio(times: Times, side: str, reference: str) -> float:
    """Return the median over rounds of one side's time divided by the reference's."""
    return statistics.median(a / b for a, b in zip(times[side], times[reference], strict=True))


def new_fleet(n: int, rates: int = METRICS) -> fleet.FleetCapital:
    """Start `n` rollouts of `rates` rates each, all with margins of both kinds."""
    full = np.ones((n, rates))
    return fleet.start(1.25 * full, 0.002 * full, full, np.full(n, 0.01), np.full(n, 0.05))


def looked(many: fleet.FleetCapital, counts: fleet.FleetCounts, rows: fleet.Rows) -> fleet.Judged:
    """Run one look and its verdicts."""
    fleet.look(many, counts, rows)
    return fleet.judge(many, rows)


def look_counts(
    dice: np.random.Generator, n: int, requests: float, bad: float, rates: int = METRICS
) -> fleet.FleetCounts:
    """Draw one look: 10 % of the requests on the canary, which is as bad as stable."""
    e_c, e_s = (dice.poisson(requests * share, (n, rates)) for share in (0.1, 0.9))
    x_c, x_s = (dice.binomial(e, bad) for e in (e_c, e_s))
    return fleet.FleetCounts(*(np.asarray(v, dtype=np.float64) for v in (e_c, e_s, x_c, x_s)))


def analysis(rounds: int, seed: int) -> dict[str, Any]:
    """Time a look at the whole fleet and at 1 % of it, against plain passes over the same array."""
    dice = np.random.default_rng(seed)
    everyone, few = new_fleet(ROLLOUTS), np.sort(dice.choice(ROLLOUTS, ROLLOUTS // 100, False))
    counts = look_counts(dice, ROLLOUTS, 600, 0.02)
    few_counts = fleet.FleetCounts(*(column[few] for column in counts))
    fleet.learn(everyone, counts)
    capital = dice.random((ratio_test.POINTS.size + excess_bound.LEVELS.size, ROLLOUTS, METRICS))
    out = np.empty_like(capital)

    def pass_over() -> None:
        np.multiply(capital, 1.5, out=out)
        np.add(out, capital, out=out)

    sides = {
        "pass": pass_over,
        "log1p": lambda: np.log1p(capital, out=out),
        "all": lambda: looked(everyone, counts, fleet.ALL),
        "few": lambda: looked(everyone, few_counts, few),
    }
    timed(3, sides)
    times = timed(rounds, sides)
    figures: dict[str, Any] = {
        f"{name}_ms": statistics.median(samples) for name, samples in times.items()
    }
    figures |= {f"{name}_best_ms": min(samples) for name, samples in times.items()}
    for name in ("all", "few"):
        figures |= {f"{name}/{plain}": ratio(times, name, plain) for plain in ("pass", "log1p")}
    return figures


def one_by_one(rounds: int, seed: int) -> dict[str, Any]:
    """Time one look of five rates on the per-rollout path, in microseconds."""
    counts = look_counts(np.random.default_rng(seed), 1, 600, 0.02)
    e_c, e_s, x_c, x_s = (column[0].astype(int).tolist() for column in counts)
    evidence = [Counts((a, x), (b, y)) for a, b, x, y in zip(e_c, e_s, x_c, x_s, strict=True)]
    test = RateTest(RateMargin(1.25, 0.002)).learn(evidence[0])

    def folded() -> list[RateTest]:
        return [test.update(counted) for counted in evidence]

    guards = {str(i): Guarded(after, 1.0) for i, after in enumerate(folded())}
    sides: dict[str, Callable[[], object]] = {
        "look": folded,
        "judge": lambda: judge(guards, 0.01, 0.05),
        "read": lambda: judge(guards, 0.01, 0.05).readouts,
    }
    times = timed(rounds, sides)
    return {f"{name}_us": statistics.median(samples) * 1e3 for name, samples in times.items()}


def histograms(rounds: int, seed: int) -> dict[str, Any]:
    """Time a look at three rates and two latency histograms in every rollout, all due.

    `mix` is a look and its evidence, in which no histogram rebuilds its alternatives. `remade` is
    the cost of rebuilding for one histogram; `rollout` is the mean cost of a look of one histogram
    over 240 looks. `logs` is the floor of the bucket test: one logarithm per alternative and
    bucket, in arrays larger than the cache.
    """
    dice = np.random.default_rng(seed)
    rule, edges = (
        HistogramTolerance(0.25, relative=True, worse="high"),
        (*LATENCY_EDGES, float("inf")),
    )
    shares = np.exp(-(((np.arange(len(edges)) - 15) / 5) ** 2) / 2)
    shares /= shares.sum()
    past, canary, stable = (
        dice.multinomial(size, shares, ROLLOUTS).astype(float) for size in (10**9, 60, 540)
    )
    shapes = fleet_shapes.start(rule, edges, ROLLOUTS)
    fleet_shapes.learn(shapes, past)
    rates, counts = new_fleet(ROLLOUTS, 3), look_counts(dice, ROLLOUTS, 600, 0.02, 3)

    def shaped() -> None:
        fleet_shapes.look(shapes, canary, stable)
        fleet_shapes.log_harm(shapes)
        fleet_shapes.log_safe(shapes)

    def mixed() -> None:
        looked(rates, counts, fleet.ALL)
        shaped()
        shaped()

    few = past[: ROLLOUTS // 10]
    blend, out = np.exp(shapes.log[:100]), np.empty_like(shapes.log[:100])

    def logs() -> None:
        for _ in range(2 * ROLLOUTS // len(blend)):
            np.log(blend, out=out)

    times = timed(
        rounds,
        {
            "mix": mixed,
            "shaped": shaped,
            "logs": logs,
            "remade": lambda: alternatives.make(rule, shapes.cuts, few),
        },
    )
    mix, remade = (statistics.median(times[name]) for name in ("mix", "remade"))
    look, again = statistics.median(times["shaped"]) / ROLLOUTS, remade / len(few)
    rollout = look + again * remakes(240, 20) / 240
    parts = {"look": look, "remade": again, "rollout": rollout}
    figures = {"mix_ms": mix, "mix/logs": ratio(times, "mix", "logs")}
    return {**figures, **{f"{name}_us": ms * 1e3 for name, ms in parts.items()}}


def remakes(looks: int, past: int) -> int:
    """Count how often a rollout rebuilds its alternatives, with the same units in every look."""
    units_at_last_build = count = 0
    for units in range(past, past + looks):
        if units >= alternatives.GROWTH * units_at_last_build:
            units_at_last_build, count = units, count + 1
    return count


class Counters:
    """An observer that is nearly free: one new sample per series and look."""

    def observe(self, asks: Sequence[Ask], now: float) -> Mapping[str, Answer]:
        """See rollout.ports.Observer."""
        return {ask.rollout: Answer(series=self._build_series(ask, now)) for ask in asks}

    def _build_series(self, ask: Ask, now: float) -> dict[str, tuple[Series, ...]]:
        good, bad = round((now - 1.8e9) * 10), round((now - 1.8e9) / 10)
        arms: tuple[tuple[Arm, int], ...] = (("canary", 1), ("stable", 9))
        both = tuple(
            Series(kind, arm, ((now, (float(units * share),)),), bad=kind == "bad")
            for arm, share in arms
            for kind, units in (("good", good), ("bad", bad))
        )
        return {guardrail.name: both for guardrail in ask.plan.spec.guardrails}


def plan(number: int, interval: str) -> Plan:
    """Build one of many similar plans: five rates, a first step that never ends."""
    margin = {"absolute": "1%"}
    spec = {
        "service": f"service-{number}",
        "stable": {"version": "v1"},
        "canary": {"version": "v2"},
        "route": {"envoy": {"file": "rds.json", "admin": "http://127.0.0.1:1"}},
        "ramp": {"steps": ["10%"], "bake": "30d"},
        "guardrails": [
            {"name": f"errors-{i}", "template": "envoy/errors", "margin": margin}
            for i in range(METRICS)
        ],
        "prometheus": {"scrape": "1s"},
        "interval": interval,
        "warmup": "1s",
        "deadline": "60d",
    }
    head = {"apiVersion": "surefoot.dev/v1alpha1", "kind": "RolloutPlan"}
    return Plan.model_validate({**head, "metadata": {"name": f"plan-{number}"}, "spec": spec})


class Live:
    """A controller with a fleet of which only `DUE` rollouts are due every second."""

    def __init__(
        self,
        size: int,
        shape: Callable[[int, str], Plan] = plan,
        observer: Observer | None = None,
        fleet: Fleet | None = None,
    ) -> None:
        self.clock = VirtualClock()
        ports = Ports(observer or Counters(), MemoryRouter(), MemoryJournal(), self.clock)
        self.controller = Controller(ports, "benchmark", fleet=fleet or Fleet())
        plans = [shape(i, "1s" if i < DUE else "10d") for i in range(size)]
        begun = time.process_time()
        self.controller.start(plans)
        self.start_ms = (time.process_time() - begun) * 1e3 / size
        for _ in range(10):
            self.tick()

    def tick(self) -> None:
        """Run one production tick, one second after the last."""
        self.clock.sleep(1.0)
        self.controller.tick()


def ticks(sizes: Sequence[int], rounds: int) -> list[dict[str, Any]]:
    """Measure a tick's milliseconds by fleet size, with the same number of rollouts due."""
    fleets = {str(size): Live(size) for size in sizes}
    for size, live in fleets.items():
        assert len(live.controller.active) == int(size)
    times = timed(rounds, {name: live.tick for name, live in fleets.items()})
    return [
        {
            "rollouts": int(name),
            "tick_ms": statistics.median(samples),
            "us_per_look": statistics.median(samples) * 1e3 / DUE,
            "to_smallest": ratio(times, name, str(sizes[0])),
            "start_ms_per_plan": fleets[name].start_ms,
        }
        for name, samples in times.items()
    ]


def report(figures: Mapping[str, Any]) -> None:
    """Print the tables."""
    speed = figures["analysis"]
    print(f"{ROLLOUTS} x {METRICS} rates x 18 points     ms   best   to a pass   to log1p")
    names = {
        "all": "all due, every metric",
        "few": "1 % due",
    }
    for name, words in names.items():
        print(
            f"  {words:<28} {speed[f'{name}_ms']:>6.2f} {speed[f'{name}_best_ms']:>6.2f}"
            f" {speed[f'{name}/pass']:>11.2f} {speed[f'{name}/log1p']:>10.2f}"
        )
    for name, words in {"pass": "one multiply-add pass", "log1p": "one log1p pass"}.items():
        print(f"  {words:<28} {speed[f'{name}_ms']:>6.2f} {speed[f'{name}_best_ms']:>6.2f}")
    alone, shape = figures["one_by_one"], figures["histograms"]
    print(
        f"\none rollout alone: {alone['look_us']:.0f} us to fold five rates, "
        f"{alone['judge_us']:.0f} us to judge them, {alone['read_us']:.0f} us with readouts\n"
        f"three rates and two histograms in each of {ROLLOUTS} rollouts: {shape['mix_ms']:.0f} ms, "
        f"{shape['mix/logs']:.1f} times their logarithms\n"
        f"one of those histograms, a look: {shape['look_us']:.1f} us; on average over 240 looks"
        f" {shape['rollout_us']:.1f} us,\n  making alternatives takes {shape['remade_us']:.0f}\n"
        f"\nproduction tick, {DUE} rollouts due   ms   us per look   to smallest   ms to start one"
    )
    for row in figures["ticks"]:
        print(
            f"  {row['rollouts']:>6} rollouts {row['tick_ms']:>18.1f} {row['us_per_look']:>13.0f}"
            f" {row['to_smallest']:>13.2f} {row['start_ms_per_plan']:>17.2f}"
        )


def missed(figures: Mapping[str, Any]) -> list[str]:
    """Return a message for each bar that was missed."""
    took, growth = figures["analysis"]["all_ms"], figures["ticks"][-1]["to_smallest"]
    messages = []
    if took > LIMIT_MS:
        messages.append(
            f"the analysis of the whole fleet took {took:.1f} ms, {LIMIT_MS:.0f} allowed"
        )
    if growth > LIMIT_GROWTH:
        messages.append(f"a tick of the largest fleet costs {growth:.2f} times the smallest's")
    return messages


def main() -> int:
    """Run every part; return exit code 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="more rounds, and 5,000 rollouts")
    parser.add_argument("--json", type=Path, help="write the results here too")
    parser.add_argument("--seed", type=int, default=1, help="of the counts; times hardly depend")
    options = parser.parse_args()
    rounds = 200 if options.full else 40
    figures = {
        "seed": options.seed,
        "numpy": np.__version__,
        "analysis": analysis(rounds, options.seed),
        "one_by_one": one_by_one(10 * rounds, options.seed),
        "histograms": histograms(rounds // 10, options.seed),
        "ticks": ticks((100, 1000, 5000) if options.full else (100, 1000), rounds),
    }
    report(figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    failures = missed(figures)
    print(*(f"MISSED: {failure}" for failure in failures), sep="\n")
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
