"""What one run of many costs: a replay of `surefoot calibrate`, a rollout of `surefoot rehearse`.

Each is one rollout by the production tick from its start to its decision. The replays are of
made-up even pods, with a rate and two histograms of 43 and 51 buckets; the rehearsal is of the
first example, once in each of its usual worlds.

Times are CPU time of one process, medians over runs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from rollout.calibrate.draw import recorded
from rollout.calibrate.runs import replay_once
from rollout.plan.reading.files import load_file
from rollout.rehearse.assumptions import KnownFigures, base
from rollout.rehearse.runs import rehearse_once
from rollout.rehearse.scenario import usual_scenarios
from tests.support.pods import past_of, pods_plan

EXAMPLE = Path(__file__).parents[1] / "manifests/examples/01-envoy-local.yaml"
RAMP = {"steps": ["1%", "5%", "10%", "25%", "50%"], "bake": "8s"}

Run = Callable[[int], object]


def replays() -> Run:
    """Return a function that runs one replay by its number."""
    past = recorded(pods_plan(ramp=RAMP), past_of())
    return lambda number: replay_once(past, (1, number))


def rehearsals() -> Run:
    """Return a function that runs one rollout in every world by its number."""
    (plan,) = load_file(EXAMPLE)
    assumptions = base(plan, KnownFigures(rate=100.0, errors=0.005, latency=50.0))
    worlds = usual_scenarios(plan)
    return lambda number: [rehearse_once(plan, assumptions, world, (1, number)) for world in worlds]


def median_ms(run: Run, runs: int) -> float:
    """Return the median CPU milliseconds of a run, without the first.

    The first run imports modules and fills caches.
    """
    times = []
    for number in range(runs + 1):
        begun = time.process_time()
        run(number)
        times.append((time.process_time() - begun) * 1e3)
    return statistics.median(times[1:])


def main() -> None:
    """Print both times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--json", type=Path, help="write the results here too")
    options = parser.parse_args()
    figures = {
        "replay_ms": median_ms(replays(), options.runs),
        "rehearsal_ms": median_ms(rehearsals(), options.runs),
    }
    print(
        f"a replay {figures['replay_ms']:.0f} ms of CPU time, "
        f"a rollout in each of four worlds {figures['rehearsal_ms']:.0f} ms"
    )
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
