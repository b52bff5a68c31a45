"""Engines under dispersion on the same streams: false rollback, and looks to find twice the errors.

Each rollout learns its dispersion from 12 hours of its own stable pods. It has 240 looks of 30 s,
with half of the traffic on 2 canary pods and half on 8 stable ones. The exit code is not zero if
the shipped engine's false rollback is above alpha by more than three Monte-Carlo standard errors.

    python benchmarks/dispersion.py [--full] [--json FILE] [--docs FILE] [--seed N]

`--docs` writes the cells of 20 requests/s and 1 % into a document; with `--read JSON` it takes them
from an earlier run.
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

from analysis.dispersion.dispersion import Dispersion
from analysis.dispersion.estimate import ExposureHistory, estimate
from analysis.rates import ratio_test, robust_test
from analysis.rates.robust_test import ArmCounts
from benchmarks.worlds.rates import SCENARIOS, CountsModel, Scenario

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.quality import rivals, written
from benchmarks.worlds import paths

Array = NDArray[np.float64]
ENGINES = ("R", "margins", "beta", "tempered", "bets", "half", "shipped")
ALPHAS = (0.05, 0.01)
QUICK = [(20.0, 0.01), (500.0, 0.05)]
FULL = [(rate, base) for rate in (0.2, 20.0, 500.0) for base in (0.001, 0.01, 0.05)]


class Drawn(NamedTuple):
    """The counts of many rollouts, and the dispersion that each one learnt before."""

    dispersions: list[Dispersion]
    counts: ArmCounts


def drawn(world: CountsModel, rng: np.random.Generator, runs: int) -> Drawn:
    """Draw streams, and estimate each rollout's dispersion from a history of its own."""
    arms, (e, x) = world.streams(rng, runs).arms(), world.history(rng, runs)
    dispersions = [estimate(ExposureHistory(e[i], x[i]), world.pods_canary) for i in range(runs)]
    return Drawn(dispersions, ArmCounts(arms.e_c, arms.e_s, arms.x_c, arms.x_s))


def compared(dispersions: Sequence[Dispersion], counts: ArmCounts) -> dict[str, Array]:
    """Return every engine's log capital after each look, shape (rollouts, looks).

    "R": the ratio test, which takes requests as independent. "margins", "beta": see `rivals`.
    "tempered", "bets": the first and the last member of the shipped mixture, alone. "half": their
    plain average.
    """
    noise = paths.noises(dispersions)
    states = list(paths.walk(noise, counts))
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
    """Measure all engines in one scenario at one request rate and base rate."""
    key = [seed, SCENARIOS.index(scenario), round(rate * 10), round(base * 1000)]
    rng = np.random.default_rng(key)
    same = drawn(CountsModel(scenario, rate, base), rng, runs[0])
    twice = drawn(CountsModel(scenario, rate, base, theta=2.0), rng, runs[1])
    healthy, harmed = compared(*same), compared(*twice)
    engines = {name: scores(healthy[name], harmed[name]) for name in ENGINES}
    return {"scenario": scenario, "rate": rate, "base": base, "runs": runs, "engines": engines}


def scores(healthy: Array, harmed: Array) -> dict[str, float]:
    """Return false rollback, power and median looks at each alpha, from logs (rollouts, looks)."""
    figures = {}
    for alpha in ALPHAS:
        bar = -math.log(alpha)
        crossed = harmed >= bar
        looks = np.where(crossed.any(axis=1), crossed.argmax(axis=1) + 1.0, math.inf)
        figures[f"false@{alpha}"] = float((healthy >= bar).any(axis=1).mean())
        figures[f"power@{alpha}"] = float(crossed.any(axis=1).mean())
        figures[f"looks@{alpha}"] = float(np.median(looks))
    return figures


def missed(rows: list[Any]) -> list[str]:
    """Return the cells in which the shipped engine is above alpha by more than chance."""
    bad = []
    for row in rows:
        for alpha in ALPHAS:
            share = row["engines"]["shipped"][f"false@{alpha}"]
            if share > alpha + 3 * math.sqrt(alpha * (1 - alpha) / row["runs"][0]):
                bad.append(
                    f"{row['scenario']} {row['rate']:g}/s {row['base']:g}: {share:.3f} > {alpha}"
                )
    return bad


def line(row: Any) -> str:
    """Format a cell: per engine false rollback at both alphas, power and median looks at .01."""
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
    """Return a Markdown table of the cells of 20 requests/s at base 1 %.

    Each holds false rollback at both alphas and the median looks.
    """
    chosen = [row for row in rows if (row["rate"], row["base"]) == (20.0, 0.01)]
    body = [
        [WORDS[row["scenario"]], *(_format_scores(row["engines"][name]) for name in ENGINES)]
        for row in chosen
    ]
    return written.markdown(HEAD, body)


def _format_scores(scores: dict[str, float]) -> str:
    looks = scores["looks@0.01"]
    shares = (f"{scores[f'false@{alpha}']:.3f}".lstrip("0") for alpha in ALPHAS)
    return " ".join([*shares, f"{looks:.0f}" if math.isfinite(looks) else "-"])


def measured(cells: list[tuple[float, float]], runs: tuple[int, int], seed: int) -> list[Any]:
    """Measure every cell in every scenario, and print it when it is done."""
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
    """Print the table; return 1 if the bar is missed."""
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
