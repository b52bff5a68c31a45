"""Our decisions and the peers' on the same streams, block by block of the bar; exit 1 if missed.

    python benchmarks/decision_quality.py [--full | --runs N] [--only PART ...] [--json FILE]
        [--picture FILE] [--seed N]

Everybody sees the same seeded streams (`benchmarks.worlds.rates`). A bar counts as missed when a
figure lies more than three Monte-Carlo standard errors beyond it; each miss is named. Where no
test can meet a bar against a peer at our alpha (`benchmarks.quality.reach`), or 1.14 times the
requests of the sequential test that knows the effect do not, which is the bar on detection, the
cell is named with that reason and is not a miss.
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
    detection,
    harm,
    latency,
    picture,
    promotion,
    rollback,
    tables,
)
from benchmarks.quality.engines import SHIPPED
from benchmarks.quality.runs import FULL, QUICK, Row, Size

Blocks = dict[str, list[Row]]


def _promotion(size: Size, seed: int) -> Blocks:
    false, times = promotion.run(size.promotion, seed)
    return {"false promotion": false, "time to prove safety": times}


PARTS: dict[str, Callable[[Size, int], Blocks]] = {
    "rollback": lambda size, seed: {"false rollback": rollback.run(size.rollback, seed)},
    "detection": lambda size, seed: {"detection": detection.run(size.detection, seed)},
    "peers": lambda size, seed: {"against peers": contest.independent(size.contest, seed)},
    "promotion": _promotion,
    "harm": lambda size, seed: {"harm": harm.run(size.harm, seed)},
    "dispersion": lambda size, seed: {
        "power under dispersion": contest.dispersed(size.dispersion, seed)
    },
    "latency": lambda size, seed: {"latency": latency.run(size.latency, seed)},
}
"""What can be measured alone with --only; seeds do not depend on what else is measured."""

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
}

BEYOND: dict[str, dict[str, Callable[[Blocks], list[str]]]] = {
    "3 against peers": {"peers": lambda rows: against.beyond(rows["against peers"])},
    "5 harm": {"harm": lambda rows: harm.beyond(rows["harm"])},
}
"""Cells in which no test can meet the bar."""


def named(
    cells: dict[str, dict[str, Callable[[Blocks], list[str]]]], blocks: Blocks, parts: Iterable[str]
) -> dict[str, list[str]]:
    """Every cell of BARS or BEYOND by block of the bar, of the parts that were measured."""
    asked = set(parts)
    return {
        bar: [one for part, found in by.items() if part in asked for one in found(blocks)]
        for bar, by in cells.items()
        if asked & set(by)
    }


def plain(value: Any) -> Any:
    """JSON has no infinity: null stands for what was never reached."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
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
    for part in parts:
        blocks |= PARTS[part](size, options.seed)
    misses, walls = named(BARS, blocks, parts), named(BEYOND, blocks, parts)
    print("\n".join(text for part in parts for text in TABLES[part](blocks)))
    print(f"\nengine {SHIPPED}, seed {options.seed}, {time.perf_counter() - begun:.0f} s")
    for block, found in misses.items():
        print(f"{block}: {'missed in ' + str(len(found)) + ' cells' if found else 'met'}")
        print("".join(f"  {miss}\n" for miss in found), end="")
    for block, found in walls.items():
        print(f"{block}, beyond what can be asked: {len(found)} cells")
        print("".join(f"  {wall}\n" for wall in found), end="")
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
