"""Draws the whole comparison in one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality import against
from benchmarks.quality.engines import ENGINES, INDEPENDENT
from benchmarks.quality.rules import RULES
from benchmarks.quality.runs import Row
from benchmarks.worlds.rates import SCENARIOS

Blocks = dict[str, list[Row]]


def draw(blocks: Blocks, path: Path) -> None:
    """Draw false rollback, requests against peers, power and harm into one file.

    The path's ending selects the file format.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(15, 10), layout="constrained")
    _draw_rollback(axes[0, 0], blocks["false rollback"])
    _draw_requests(axes[0, 1], blocks["against peers"])
    _draw_power(axes[1, 0], blocks["power under dispersion"])
    _draw_harm(axes[1, 1], blocks["harm"])
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _draw_rollback(axis: Any, rows: list[Row]) -> None:
    """Draw the mean over rates and bases per scenario and rule, the worst cell in brackets."""
    names = [*ENGINES, *RULES]
    cells = np.array([
        [[r["false_rollback"] for r in rows
          if r["rule"] == name and r["scenario"] == scenario and r["alpha"] == 0.05]
         for scenario in SCENARIOS] for name in names
    ])  # fmt: skip
    axis.imshow(cells.mean(axis=-1), cmap="Reds", vmin=0, vmax=1, aspect="auto")
    for (i, j), mean in np.ndenumerate(cells.mean(axis=-1)):
        worst = cells[i, j].max()
        axis.text(j, i, f"{mean:.2f}\n({worst:.2f})", ha="center", va="center", fontsize=8,
                  color="white" if mean > 0.6 else "black")  # fmt: skip
    axis.set_xticks(range(len(SCENARIOS)), SCENARIOS, rotation=30, ha="right")
    axis.set_yticks(range(len(names)), names)
    axis.set_title("False rollback of harmless canaries, alpha .05: mean (worst) of nine services")


def _draw_requests(axis: Any, rows: list[Row]) -> None:
    """Draw our requests to detection over each peer's, at limits that keep alpha."""
    compared = [row for row in against.compared(rows) if row["limit"] == "oracle"]
    for column, name in enumerate(RULES):
        ratios = [row["ratio"] for row in compared if row["rule"] == name]
        clipped = np.clip(ratios, 0.01, 10)
        jitter = np.linspace(-0.25, 0.25, len(clipped))
        axis.plot(column + jitter, clipped, "o", alpha=0.7)
    axis.axhline(1, color="black", linewidth=0.8)
    axis.axhline(1 / 4, color="grey", linestyle="--", linewidth=0.8)
    axis.set_yscale("log")
    axis.set_ylim(0.008, 12)
    axis.set_xticks(range(len(RULES)), RULES)
    axis.set_title(
        f"{INDEPENDENT}'s requests over a peer's with an oracle's limit, one dot a service\n"
        "and effect (.01: only we find it, 10: only they do; dashed: the bar)"
    )


def _draw_power(axis: Any, rows: list[Row]) -> None:
    """Draw the median look of detection against false rollback, at 20 and 500 rps, 2x."""
    wanted = [(name, "declared") for name in ENGINES] + [(name, "documented") for name in RULES]
    for name, limit in wanted:
        mine = [row for row in rows if (row["rule"], row["limit"]) == (name, limit)]
        looks = [min(row["looks"], 300) for row in mine]
        false = [max(row["false_rollback"], 0.005) for row in mine]
        axis.plot(false, looks, "o" if name in ENGINES else "x", label=name, alpha=0.8)
    axis.axvline(0.05, color="grey", linestyle="--", linewidth=0.8)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel("false rollback (dashed: alpha)")
    axis.set_ylabel("median look of the rollback at 2x (300: not found)")
    axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    axis.set_title("Under dispersion: one mark a scenario, 20 and 500 rps; lower left is better")


def _draw_harm(axis: Any, rows: list[Row]) -> None:
    """Draw excess bad requests at each rate."""
    judged = [row for row in rows if (row["alpha"], row["margin"]) == (0.05, 0.0)]
    for ramp, style in (("fixed", "--"), ("evidence", "-")):
        for theta, colour in ((2.0, "C0"), (5.0, "C1")):
            mine = [row for row in judged if row["ramp"] == ramp and row["theta"] == theta]
            rates, excess, error = (
                [row[name] for row in mine] for name in ("rate", "excess", "error")
            )
            axis.errorbar(rates, excess, yerr=error, linestyle=style, color=colour, marker="o",
                          capsize=3, label=f"{theta:g}x, {ramp} ramp")  # fmt: skip
    axis.axhline(15, color="C0", linestyle=":")
    axis.axhline(8, color="C1", linestyle=":")
    axis.set_xscale("log")
    axis.set_ylim(0)
    axis.set_xlabel("requests per second")
    axis.legend(fontsize=8)
    axis.set_title("Excess bad requests until the rollback, base 1 % (dotted: the bars)")
