"""Our decisions and the peers' on the same streams, block by block of the bar; exit 1 if missed.

    python benchmarks/decision_quality.py [--full | --runs N] [--only PART ...] [--json FILE]
        [--picture FILE] [--seed N]

All rules see the same seeded streams (`benchmarks.worlds.rates`). A bar is missed when a figure
lies more than three Monte-Carlo standard errors beyond it; each miss is listed.

Some bars against a peer cannot be met: no test at our alpha meets them, as
`benchmarks.quality.reach` computes, or they ask for less than the bar on detection allows, which is
1.14 times the requests of the sequential test that knows the effect. Such a cell is listed with the
reason and is not a miss.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.quality import (
    against,
    contest,
    default,
    default_table,
    detection,
    harm,
    kinds,
    latency,
    margins,
    picture,
    promotion,
    rollback,
    tables,
)
from benchmarks.quality.engines import SHIPPED
from benchmarks.quality.runs import FULL, QUICK, Row, Size

Blocks = dict[str, list[Row]]


def _run_promotion(size: Size, seed: int) -> Blocks:
    false, times = promotion.run(size.promotion, seed)
    return {"false promotion": false, "time to prove safety": times}


PARTS: dict[str, Callable[[Size, int], Blocks]] = {
    "rollback": lambda size, seed: {"false rollback": rollback.run(size.rollback, seed)},
    "detection": lambda size, seed: {"detection": detection.run(size.detection, seed)},
    "peers": lambda size, seed: {"against peers": contest.independent(size.contest, seed)},
    "promotion": _run_promotion,
    "harm": lambda size, seed: {"harm": harm.run(size.harm, seed)},
    "dispersion": lambda size, seed: {
        "power under dispersion": contest.dispersed(size.dispersion, seed)
    },
    "latency": lambda size, seed: {"latency": latency.run(size.latency, seed)},
    "kinds": lambda size, seed: {"kinds": kinds.run(size.kinds, seed)},
    "default": lambda size, seed: {"default": default.run(size.default, seed, whole=size is FULL)},
    "margins": lambda size, seed: {"margins": margins.run(size.margins, seed)},
}
"""What --only can select; the random streams of a block do not depend on the selection."""

TABLES: dict[str, Callable[[Blocks], Iterable[str]]] = {
    "rollback": lambda rows: (
        tables.of_rollback(rows["false rollback"], alpha) for alpha in rollback.ALPHAS
    ),
    "detection": lambda rows: [tables.of_detection(rows["detection"])],
    "peers": lambda rows: [tables.of_contest(rows["against peers"])],
    "promotion": lambda rows: [
        tables.of_promotion(rows["false promotion"], rows["time to prove safety"])
    ],
    "harm": lambda rows: [tables.of_harm(rows["harm"])],
    "dispersion": lambda rows: [tables.of_dispersion(rows["power under dispersion"])],
    "latency": lambda rows: [tables.of_latency(rows["latency"])],
    "kinds": lambda rows: [tables.of_kinds(rows["kinds"])],
    "default": lambda rows: [default_table.of_default(rows["default"])],
    "margins": lambda rows: [margins.of_margins(rows["margins"])],
}

BARS: dict[str, dict[str, Callable[[Blocks], list[str]]]] = {
    "1 false rollback": {
        "rollback": lambda rows: rollback.misses(rows["false rollback"]),
        "latency": lambda rows: latency.misses(rows["latency"]),
    },
    "2 detection": {"detection": lambda rows: detection.misses(rows["detection"])},
    "3 against peers": {"peers": lambda rows: against.misses(rows["against peers"])},
    "4 promotion": {
        "promotion": lambda rows: promotion.misses(
            rows["false promotion"], rows["time to prove safety"]
        )
    },
    "5 harm": {"harm": lambda rows: harm.misses(rows["harm"])},
    "9 kinds": {"kinds": lambda rows: kinds.misses(rows["kinds"])},
    "8 default": {"default": lambda rows: default.misses(rows["default"])},
    "10 absolute margins": {"margins": lambda rows: margins.misses(rows["margins"])},
}

BEYOND: dict[str, dict[str, Callable[[Blocks], list[str]]]] = {
    "3 against peers": {"peers": lambda rows: against.beyond(rows["against peers"])},
    "5 harm": {"harm": lambda rows: harm.beyond(rows["harm"])},
}
"""Cells in which no test can meet the bar."""


def named(
    cells: dict[str, dict[str, Callable[[Blocks], list[str]]]], blocks: Blocks, parts: Iterable[str]
) -> dict[str, list[str]]:
    """Return the cells of BARS or BEYOND by bar, for the parts that were measured."""
    asked = set(parts)
    return {
        bar: [cell for name, find in by.items() if name in asked for cell in find(blocks)]
        for bar, by in cells.items()
        if asked & set(by)
    }


def plain(value: Any) -> Any:
    """Replace infinity and NaN by None, because JSON has neither."""
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--full", action="store_true", help="minutes instead of seconds")
    parser.add_argument("--runs", type=int, help="so many rollouts in every cell")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="measure these alone")
    parser.add_argument("--json", type=Path, help="write every figure there")
    parser.add_argument("--picture", type=Path, help="draw the comparison there (.png, .svg)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    begun = time.perf_counter()
    parts: list[str] = options.only or list(PARTS)
    if options.picture and len(parts) < len(PARTS):
        parser.error("a picture needs every part")
    size = (
        Size(*[options.runs] * len(fields(Size)))
        if options.runs
        else FULL
        if options.full
        else QUICK
    )
    blocks: Blocks = {}
    for name in parts:
        blocks |= PARTS[name](size, options.seed)
    misses, walls = named(BARS, blocks, parts), named(BEYOND, blocks, parts)
    print("\n".join(text for name in parts for text in TABLES[name](blocks)))
    print(f"\nengine {SHIPPED}, seed {options.seed}, {time.perf_counter() - begun:.0f} s")
    for block, cells in misses.items():
        print(f"{block}: {'missed in ' + str(len(cells)) + ' cells' if cells else 'met'}")
        print("".join(f"  {miss}\n" for miss in cells), end="")
    for block, cells in walls.items():
        print(f"{block}, beyond what can be asked: {len(cells)} cells")
        print("".join(f"  {wall}\n" for wall in cells), end="")
    if options.json:
        written = {
            "seed": options.seed,
            "engine": SHIPPED,
            "missed": misses,
            "beyond": walls,
            "blocks": blocks,
        }
        options.json.write_text(json.dumps(plain(written), indent=1, allow_nan=False) + "\n")
    if options.picture:
        picture.draw(blocks, options.picture)
    return 1 if any(misses.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
