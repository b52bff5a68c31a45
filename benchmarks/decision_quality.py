"""Our decisions and the peers' on the same streams, block by block of the bar; exit 1 if missed.

    python benchmarks/decision_quality.py [--full] [--json FILE] [--picture FILE] [--seed N]

Everybody sees the same seeded streams (`analysis.worlds`). A bar counts as missed when a figure
lies more than three Monte-Carlo standard errors beyond it; each miss is named. Where no test can
meet a bar against a peer at our alpha (`benchmarks.quality.reach`), or the sequential test that
knows the effect does not, the cell is named with that reason and is not a miss.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
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


def measure(size: Size, seed: int) -> Blocks:
    """The rows of every block."""
    false, times = promotion.run(size.promotion, seed)
    return {
        "false rollback": rollback.run(size.rollback, seed),
        "detection": detection.run(size.detection, seed),
        "against peers": contest.independent(size.contest, seed),
        "false promotion": false,
        "time to prove safety": times,
        "harm": harm.run(size.harm, seed),
        "power under dispersion": contest.dispersed(size.contest, seed),
        "latency": latency.run(size.latency, seed),
    }


def shown(blocks: Blocks) -> list[str]:
    """One table per block."""
    return [
        *(tables.of_rollback(blocks["false rollback"], alpha) for alpha in rollback.ALPHAS),
        tables.of_detection(blocks["detection"]),
        tables.of_contest(blocks["against peers"]),
        tables.of_promotion(blocks["false promotion"], blocks["time to prove safety"]),
        tables.of_harm(blocks["harm"]),
        tables.of_dispersion(blocks["power under dispersion"]),
        tables.of_latency(blocks["latency"]),
    ]


def missed(blocks: Blocks) -> dict[str, list[str]]:
    """Every miss by block of the bar."""
    return {
        "1 false rollback": rollback.misses(blocks["false rollback"])
        + latency.misses(blocks["latency"]),
        "2 detection": detection.misses(blocks["detection"]),
        "3 against peers": against.misses(blocks["against peers"]),
        "4 promotion": promotion.misses(blocks["false promotion"], blocks["time to prove safety"]),
        "5 harm": harm.misses(blocks["harm"]),
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
    parser.add_argument("--json", type=Path, help="write every figure there")
    parser.add_argument("--picture", type=Path, help="draw the comparison there (.png, .svg)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    begun = time.perf_counter()
    blocks = measure(FULL if options.full else QUICK, options.seed)
    misses = missed(blocks)
    print("\n".join(shown(blocks)))
    print(f"\nengine {SHIPPED}, seed {options.seed}, {time.perf_counter() - begun:.0f} s")
    for block, found in misses.items():
        print(f"{block}: {'missed in ' + str(len(found)) + ' cells' if found else 'met'}")
        print("".join(f"  {miss}\n" for miss in found), end="")
    walls = against.beyond(blocks["against peers"])
    print(f"beyond what any test can do: {len(walls)} cells of 3")
    print("".join(f"  {wall}\n" for wall in walls), end="")
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
