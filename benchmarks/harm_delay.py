"""How long a canary that begins to fail keeps its traffic, by when the looks come.

Scrapes and looks every 15 s, a tick every half second. Canary and stable are targets of their own
(or one proxy reports both), scraped at random moments of the scrape interval, and the controller
starts at a random moment too. The canary gets 8 requests per second, a tenth of all or half, and
begins to fail a fifth of them at a random moment. Measured are the seconds until the production
tick decides the rollback, in the same worlds for looks that come right after a scrape and for looks
at a phase of their own. A scrape can be read a tenth of a second after it began.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from analysis.counting.cursor import Arm, Series
from rollout.decide.evidence.next_look import NextLook
from rollout.decide.record.facts import Decided
from rollout.decide.state.rollout import RolloutState
from rollout.journal.memory import MemoryJournal
from rollout.plan.model.plan import Plan
from rollout.ports import Answer, Ask, Ports
from rollout.simulate import MemoryRouter, VirtualClock
from rollout.tick.controller import Controller
from rollout.tick.fleet import Fleet
from rollout.tick.times.look_times import LookTimes

SCRAPE = 15.0
CANARY = 8.0  # requests per second
SHARES = (0.1, 0.5)  # of all requests
BASE, HARM = 0.002, 0.2  # shares of requests that fail
TICK = 0.5  # seconds, as in production
CALM = 150.0  # seconds before the canary begins to fail
_ARMS: tuple[Arm, ...] = ("canary", "stable")


class OwnPhase(LookTimes):
    """Looks that come one interval after the last look, whenever scrapes are."""

    def _find_next(self, rollout: str, state: RolloutState) -> NextLook:
        latest = super()._find_next(rollout, state).latest
        return NextLook(latest, latest, latest, SCRAPE)


PHASES = {OwnPhase: "own phase", LookTimes: "after a scrape"}
LAYOUTS = ("one target", "two targets")


def plan(share: float = SHARES[0]) -> Plan:
    """Return a plan with one step, which stays open."""
    spec = {
        "service": "reviews",
        "stable": {"version": "v1"},
        "canary": {"version": "v2"},
        "route": {"envoy": {"file": "rds.json", "admin": "http://127.0.0.1:1"}},
        "ramp": {"steps": [f"{share:.0%}"], "bake": "1h"},
        "guardrails": [{"name": "errors", "template": "envoy/errors", "margin": {"ratio": 1.5}}],
        "prometheus": {"scrape": f"{SCRAPE:.0f}s"},
        "interval": f"{SCRAPE:.0f}s",
        "warmup": "0s",
        "deadline": "2h",
    }
    head = {"apiVersion": "surefoot.dev/v1alpha1", "kind": "RolloutPlan"}
    return Plan.model_validate({**head, "metadata": {"name": "reviews-v2"}, "spec": spec})


@dataclass
class Scraped:
    """An Observer of both versions' counters, each scraped at its own moment (`offsets`)."""

    router: MemoryRouter
    dice: np.random.Generator
    offsets: Mapping[Arm, float]
    begun: float
    harmful_from: float
    rate: float = CANARY / SHARES[0]  # requests per second of both versions
    readable_after: float = 0.1  # seconds that a scrape takes
    totals: dict[Arm, list[float]] = field(default_factory=dict)
    scraped: dict[Arm, float] = field(default_factory=dict)

    def observe(self, asks: Sequence[Ask], now: float) -> Mapping[str, Answer]:
        """Answer as the Observer port does."""
        return {ask.rollout: Answer({"errors": self._read(ask.plan, now)}) for ask in asks}

    def _read(self, plan: Plan, now: float) -> tuple[Series, ...]:
        series = []
        for arm in _ARMS:
            last = self.scraped.setdefault(arm, self.begun - 2 * SCRAPE + self.offsets[arm])
            while last + SCRAPE + self.readable_after <= now:
                self._serve(arm, self.router.share(plan), last, last + SCRAPE)
                last += SCRAPE
            self.scraped[arm] = last
            good, bad = self.totals.setdefault(arm, [0.0, 0.0])
            series += [
                Series(f"{arm}-good", arm, ((last, (good,)),)),
                Series(f"{arm}-bad", arm, ((last, (bad,)),), bad=True),
            ]
        return tuple(series)

    def _serve(self, arm: Arm, share: float, since: float, until: float) -> None:
        """Count the requests of one scrape interval."""
        rate = self.rate * (share if arm == "canary" else 1 - share)
        harmful = max(0.0, until - max(since, self.harmful_from)) if arm == "canary" else 0.0
        totals = self.totals.setdefault(arm, [0.0, 0.0])
        for seconds, errors in ((until - since - harmful, BASE), (harmful, HARM)):
            requests = int(self.dice.poisson(rate * seconds))
            bad = int(self.dice.binomial(requests, errors))
            totals[0] += requests - bad
            totals[1] += bad


def seconds_until_rollback(
    looks: LookTimes, seed: Sequence[int], share: float, *, is_one_target: bool
) -> float:
    """Run one rollout and return the seconds from the first failures to the rollback's decision."""
    dice = np.random.default_rng(seed)
    first, second = dice.uniform(0, SCRAPE, 2)
    offsets: dict[Arm, float] = {"canary": first, "stable": first if is_one_target else second}
    router, clock, journal = MemoryRouter(), VirtualClock(), MemoryJournal()
    begun = clock.now()
    harmful_from = begun + CALM + dice.uniform(0, SCRAPE)
    world = Scraped(router, dice, offsets, begun, harmful_from, CANARY / share)
    controller = Controller(
        Ports(world, router, journal, clock), "benchmark", fleet=Fleet(look_times=looks)
    )
    (rollout,) = controller.start([plan(share)], uncalibrated=True)
    while controller.states[rollout].phase not in {"reverting", "following", "rolled back"}:
        controller.tick()
        clock.sleep(TICK)
    facts = [entry.fact for entry in journal.read()]
    end = next(f for f in facts if isinstance(f, Decided) and f.action == "roll back")
    return end.at - harmful_from


def measure(
    looks: type[LookTimes], runs: int, seed: int, share: float = SHARES[0], *, is_one_target: bool
) -> dict[str, Any]:
    """Return median and range of the delays, and the seconds in which nine of ten end."""
    delays = sorted(
        seconds_until_rollback(looks(), (seed, number), share, is_one_target=is_one_target)
        for number in range(runs)
    )
    return {
        "median": statistics.median(delays),
        "p90": delays[int(0.9 * (runs - 1))],
        "least": delays[0],
        "most": delays[-1],
    }


def main() -> None:
    """Print the delays of both schedules, and with `--check` fail where ours are too long."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the results here too")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    figures: dict[str, Any] = {"runs": options.runs, "seed": options.seed}
    cells = itertools.product(SHARES, LAYOUTS, (OwnPhase, LookTimes))
    for share, layout, looks in cells:
        row = measure(looks, options.runs, options.seed, share, is_one_target=layout == LAYOUTS[0])
        name = f"{share:.0%} canary, {layout}, {PHASES[looks]}"
        figures[name] = row
        print(
            f"{name:<42} median {row['median']:5.1f} s, nine of ten within "
            f"{row['p90']:5.1f} s, {row['least']:.1f} to {row['most']:.1f} s"
        )
    print(f"{options.runs} rollouts a row, seed {options.seed}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    ours = [figures[f"{SHARES[0]:.0%} canary, {layout}, {PHASES[LookTimes]}"] for layout in LAYOUTS]
    if options.check and any(row["median"] > 17 or row["most"] > 2 * SCRAPE for row in ours):
        raise SystemExit("a rollback comes later than it should")


if __name__ == "__main__":
    main()
