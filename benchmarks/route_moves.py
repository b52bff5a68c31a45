"""Time from a decision to moved traffic; requests that fail over 100 weight changes (none may)."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from rollout.decide.record.split import Split
from rollout.route.envoy.proxy import EnvoyRouter
from tests.support.local_envoy import LocalEnvoy, Reply, load, mesh

ROUTER = EnvoyRouter()


def move(net: LocalEnvoy, canary: int, mark: str) -> tuple[float, float, float]:
    """Write a split; return when it began, its seconds, and the seconds until Envoy confirms."""
    start = time.perf_counter()
    ROUTER.write(net.plan, Split(canary, 10_000), mark)
    written = time.perf_counter() - start
    while ROUTER.read(net.plan, 10_000).write_id != mark:
        time.sleep(0.001)
    return start, written, time.perf_counter() - start


async def flips(net: LocalEnvoy, count: int) -> dict[str, Any]:
    """Move all traffic to and fro under load; time the new version's first answer and receipts."""
    enough = asyncio.Event()
    traffic = asyncio.create_task(load(net.envoy.url, enough))
    await asyncio.sleep(0.5)
    moves = []
    for number in range(count):
        canary = 10_000 * (1 - number % 2)
        moves.append((canary, *await asyncio.to_thread(move, net, canary, f"flip-{number}")))
        await asyncio.sleep(0.1)
    enough.set()
    replies = sorted(await traffic, key=lambda reply: reply.sent)
    moved = [first(replies, start, "v2" if canary else "v1") for canary, start, _, _ in moves]
    return {
        "moved_seconds": median(moved),
        "moved_seconds_max": max(moved),
        "written_seconds": median(written for _, _, written, _ in moves),
        "receipt_seconds": median(receipt for *_, receipt in moves),
        "request_seconds": median(reply.seconds for reply in replies),
        "requests": len(replies),
        "failed": failed(replies),
    }


def first(replies: list[Reply], start: float, version: str) -> float:
    """Return seconds from `start` to the sending of the first request that `version` answered."""
    return next(r.sent - start for r in replies if r.sent >= start and r.version == version)


async def changes(net: LocalEnvoy, count: int, dice: random.Random) -> dict[str, int]:
    """Write random weights, down to 0.01 %, every 50 ms under fast and slow requests."""
    enough = asyncio.Event()
    paths = ("", "/?ms=200", "/?ms=20")
    traffic = [asyncio.create_task(load(net.envoy.url + path, enough)) for path in paths]
    for number in range(count):
        canary = dice.choice([0, 1, 10, 500, 5000, 9999, 10_000, dice.randint(0, 10_000)])
        await asyncio.to_thread(ROUTER.write, net.plan, Split(canary, 10_000), f"change-{number}")
        await asyncio.sleep(0.05)
    enough.set()
    replies = [reply for replies in await asyncio.gather(*traffic) for reply in replies]
    return {"changes": count, "requests": len(replies), "failed": failed(replies)}


def failed(replies: list[Reply]) -> int:
    return sum(reply.status != 200 for reply in replies)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="200 moves and 1,000 changes")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    parser.add_argument("--seed", type=int, default=1, help="of the random weights")
    options = parser.parse_args()
    moves, many = (200, 1000) if options.full else (40, 100)
    with tempfile.TemporaryDirectory() as folder, mesh(Path(folder)) as net:
        moved = asyncio.run(flips(net, moves))
        changed = asyncio.run(changes(net, many, random.Random(options.seed)))
    request = moved["request_seconds"]
    print(f"seed {options.seed}; medians of {moves} moves of all traffic, and ratios to a request")
    for name in ("request", "written", "moved", "receipt"):
        value = moved[f"{name}_seconds"]
        print(f"{name:8} {value * 1000:6.2f} ms {value / request:6.2f}")
    print(f"slowest move {moved['moved_seconds_max'] * 1000:.2f} ms")
    lost = moved["failed"] + changed["failed"]
    print(f"{changed['failed']} of {changed['requests']} requests failed over {many} changes")
    print(f"{moved['failed']} of {moved['requests']} requests failed over {moves} moves")
    if options.json:
        result = {"seed": options.seed, "moves": moved, "changes": changed}
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    sys.exit(1 if lost else 0)


if __name__ == "__main__":
    main()
