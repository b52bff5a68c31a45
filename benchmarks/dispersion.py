"""Engines under dispersion on the same streams: false rollback, and looks to find twice the errors.

Each rollout's dispersion is learnt from 12 hours of its own stable pods. 240 looks of 30 s, a look
at every one, half of the traffic on 2 canary pods beside 8 of stable. Exits non-zero where the
shipped engine's false rollback is above alpha by more than three Monte-Carlo standard errors.

    python benchmarks/dispersion.py [--full] [--json FILE] [--docs FILE] [--seed N]

`--docs` writes the cells of 20 requests/s and 1 % into a document; with `--read JSON` those of an
earlier run.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.dispersion import tempering
from analysis.dispersion.estimate import Dispersion, ExposureHistory, estimate
from analysis.rates import ratio_test, robust_test
from analysis.rates.robust_test import ArmCounts
from benchmarks.worlds.rates import SCENARIOS, CountsModel, Scenario

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.quality import rivals, written

Array = NDArray[np.float64]
ENGINES = ("R", "margins", "beta", "tempered", "bets", "half", "shipped")
ALPHAS = (0.05, 0.01)
QUICK = [(20.0, 0.01), (500.0, 0.05)]
FULL = [(rate, base) for rate in (0.2, 20.0, 500.0) for base in (0.001, 0.01, 0.05)]


class Drawn(NamedTuple):
    """Rollouts with what was learnt before each."""

    found: list[Dispersion]
    counts: ArmCounts


def drawn(world: CountsModel, rng: np.random.Generator, runs: int) -> Drawn:
    """Streams and the dispersion of each rollout's own history."""
    seen, (e, x) = world.streams(rng, runs).arms(), world.history(rng, runs)
    found = [estimate(ExposureHistory(e[i], x[i]), world.pods_canary) for i in range(runs)]
    return Drawn(found, ArmCounts(seen.e_c, seen.e_s, seen.x_c, seen.x_s))


def compared(found: Sequence[Dispersion], counts: ArmCounts) -> dict[str, Array]:
    """Log capital after each look, (rollouts, looks), of every engine.

    R: requests are taken as independent. "margins", "beta": see `rivals`. "tempered", "bets": the
    first and the last member of what is shipped, alone. "half": their plain average.
    """
    noise = tempering.noises(found)
    states = list(robust_test.walk(noise, counts))
    ratio, _, bets = np.moveaxis(
        np.array([robust_test.members(s, noise) for s in states]), (0, 2), (2, 0)
    )
    return {
        "R": ratio_test.log_harm(ratio_test.increment(*counts).cumsum(axis=1)),
        "margins": rivals.margins(noise, counts),
        "beta": rivals.beta_binomial(noise, counts),
        "tempered": ratio,
        "bets": bets,
        "half": np.logaddexp(ratio, bets) - math.log(2),
        "shipped": np.array([robust_test.log_harm(s, noise) for s in states]).T,
    }


def cell(scenario: Scenario, rate: float, base: float, runs: tuple[int, int], seed: int) -> Any:
    """All engines in one scenario at one rate and base rate."""
    key = [seed, SCENARIOS.index(scenario), round(rate * 10), round(base * 1000)]
    rng = np.random.default_rng(key)
    same = drawn(CountsModel(scenario, rate, base), rng, runs[0])
    twice = drawn(CountsModel(scenario, rate, base, theta=2.0), rng, runs[1])
    healthy, harmed = compared(*same), compared(*twice)
    engines = {name: scores(healthy[name], harmed[name]) for name in ENGINES}
    return {"scenario": scenario, "rate": rate, "base": base, "runs": runs, "engines": engines}


def scores(healthy: Array, harmed: Array) -> dict[str, float]:
    """False rollback, power and median looks at each alpha, of logs (rollouts, looks)."""
    found = {}
    for alpha in ALPHAS:
        bar = -math.log(alpha)
        crossed = harmed >= bar
        looks = np.where(crossed.any(axis=1), crossed.argmax(axis=1) + 1.0, math.inf)
        found[f"false@{alpha}"] = float((healthy >= bar).any(axis=1).mean())
        found[f"power@{alpha}"] = float(crossed.any(axis=1).mean())
        found[f"looks@{alpha}"] = float(np.median(looks))
    return found


def missed(rows: list[Any]) -> list[str]:
    """Cells in which the shipped engine is above alpha by more than chance."""
    bad = []
    for row in rows:
        for alpha in ALPHAS:
            seen = row["engines"]["shipped"][f"false@{alpha}"]
            if seen > alpha + 3 * math.sqrt(alpha * (1 - alpha) / row["runs"][0]):
                bad.append(
                    f"{row['scenario']} {row['rate']:g}/s {row['base']:g}: {seen:.3f} > {alpha}"
                )
    return bad


def line(row: Any) -> str:
    """One cell: per engine false rollback at both alphas, power and median looks at .01."""
    head = f"{row['scenario']:<10} {row['rate']:>5g} {row['base']:>6g}"
    parts = [
        f"{e['false@0.05']:.3f} {e['false@0.01']:.3f} {e['power@0.01']:4.2f} {e['looks@0.01']:4.0f}"
        for e in row["engines"].values()
    ]
    return " | ".join([head, *parts])


WORDS = {
    "iid": "independent", "incidents": "common incidents", "ramp": "ramp, 1 to 50 %",
    "retries": "retry clusters", "pod-gamma": "gamma per pod and look",
    "pod-ar1": "AR(1) per pod, .9", "pod-bursts": "bad spells of 90 s per pod",
    "pods-.1": "pods differ, sd .1", "pods-.3": "pods differ, sd .3", "skew": "scrape skew",
}  # fmt: skip
"""Scenarios as the document names them."""

HEAD = ("scenario", "R", "R/phi, wider margin", "beta-binomial", "tempered R alone",
        "share bets alone", "their average", "shipped")  # fmt: skip


def documented(rows: list[Any]) -> str:
    """The cells of 20 requests/s at base 1 %: false rollback at both alphas, median looks."""
    chosen = [row for row in rows if (row["rate"], row["base"]) == (20.0, 0.01)]
    body = [
        [WORDS[row["scenario"]], *(_told(row["engines"][name]) for name in ENGINES)]
        for row in chosen
    ]
    return written.markdown(HEAD, body)


def _told(scores: dict[str, float]) -> str:
    looks = scores["looks@0.01"]
    shares = (f"{scores[f'false@{alpha}']:.3f}".lstrip("0") for alpha in ALPHAS)
    return " ".join([*shares, f"{looks:.0f}" if math.isfinite(looks) else "-"])


def measured(cells: list[tuple[float, float]], runs: tuple[int, int], seed: int) -> list[Any]:
    """Every cell in every scenario, shown as it is done."""
    error = math.sqrt(0.05 * 0.95 / runs[0])
    print(f"seed {seed}, {runs[0]} healthy and {runs[1]} harmed rollouts a cell;")
    print(f"standard error of a false-rollback rate of .05: {error:.4f}")
    print("false at .05, at .01, power and median looks at .01, of:", " | ".join(ENGINES))
    rows = []
    for scenario in SCENARIOS:
        for rate, base in cells:
            rows.append(cell(scenario, rate, base, runs, seed))
            print(line(rows[-1]), flush=True)
    return rows


def main() -> int:
    """Print the table; 1 if the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--docs", type=Path, help="a document with a place for the table")
    parser.add_argument("--read", type=Path, help="what --json wrote, instead of measuring")
    asked = parser.parse_args()
    if asked.read:
        rows = json.loads(asked.read.read_text())["rows"]
    else:
        rows = measured(*((FULL, (2000, 200)) if asked.full else (QUICK, (200, 100))), asked.seed)
    if asked.docs:
        written.write(asked.docs, "dispersion", documented(rows))
    if asked.json:
        asked.json.write_text(json.dumps({"seed": asked.seed, "rows": rows}, indent=1))
    bad = missed(rows)
    print("\n".join(bad) or "the shipped engine keeps its error rates in every cell")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
