"""The controller dies before and after every effect; what remains is as if it had not."""

from __future__ import annotations

from typing import Any

import pytest

from rollout.ports import Ports
from tests.support.reaper import Killed, Mortal, Reaper
from tests.support.worlds import BAD, GOOD, Lab, plan

ERRORS = [{"name": "errors", "template": "envoy/errors", "margin": {"absolute": "2%"}}]
COPIES_AND_SWITCH = {
    "ramp": {"blueGreen": {"before": "20s"}, "bake": "2s"},
    "traffic": {"mirror": {"share": "50%", "lasts": "4s"}},
    "guardrails": ERRORS,
}
HELD = {"share": "5%", "lasts": "4s"}


def _lab(canary, reaper: Reaper, spec: dict[str, Any]) -> Lab:
    def wrap(ports: Ports) -> Ports:
        return Ports(
            ports.observer, Mortal(ports.router, reaper), Mortal(ports.journal, reaper), ports.clock
        )

    while True:
        try:
            return Lab(canary, seed=2, wrap=wrap, plan=plan(warmup="2s", **spec))
        except Killed:
            reaper = Reaper(0, after=False)  # it died while accepting the plan: start once more


def _live(lab: Lab) -> Lab:
    """Run to the end; after a death a new controller takes over at the same moment."""
    while not lab.state.is_terminal:
        try:
            lab.controller.tick()
        except Killed:
            lab.restart()
            continue
        lab.clock.sleep(0.5)
    return lab


@pytest.mark.parametrize(
    ("canary", "spec"),
    [(GOOD, {"holdback": HELD}), (BAD, {"holdback": HELD}), (GOOD, COPIES_AND_SWITCH)],
    ids=["promoted", "rolled back", "copies and a switch"],
)
def test_a_death_before_or_after_any_effect_leaves_the_same_journal_and_weights(canary, spec):
    reaper = Reaper(0, after=False)
    unharmed = _live(_lab(canary, reaper, spec))
    assert {"record", "route", "confirmed", "started"} <= set(reaper.effects)
    for at in range(1, reaper.count + 1):
        for after in (False, True):
            lab = _live(_lab(canary, Reaper(at, after=after), spec))
            story = f"killed {'after' if after else 'before'} effect {at}: {reaper.effects[at - 1]}"
            assert [e.hash for e in lab.entries] == [e.hash for e in unharmed.entries], story
            assert lab.router.statuses == unharmed.router.statuses, story
