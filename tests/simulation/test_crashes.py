"""The controller dies before and after every effect; what remains is as if it had not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from rollout.ports import Entry, Ports
from tests.support.worlds import BAD, GOOD, Lab, plan

ERRORS = [{"name": "errors", "template": "envoy/errors", "margin": {"absolute": "2%"}}]
COPIES_AND_SWITCH = {
    "ramp": {"blueGreen": {"before": "20s"}, "bake": "2s"},
    "traffic": {"mirror": {"share": "50%", "lasts": "4s"}},
    "guardrails": ERRORS,
}
HELD = {"share": "5%", "lasts": "4s"}


class Killed(BaseException):
    """The process is gone; nothing may catch it."""


@dataclass
class Reaper:
    """Kills at the nth effect, before it or after it."""

    at: int
    after: bool
    count: int = 0
    effects: list[str] = field(default_factory=list)

    def through(self, name: str, act: Any) -> Any:
        self.count += 1
        self.effects.append(name)
        if self.count == self.at and not self.after:
            raise Killed
        result = act()
        if self.count == self.at:
            raise Killed
        return result


@dataclass
class Mortal:
    """A port whose effects pass by the reaper."""

    port: Any
    reaper: Reaper

    def append(self, facts: Any, after: int) -> list[Entry]:
        name = "record" if facts[-1].kind in {"observed", "decided"} else facts[-1].kind
        entries: list[Entry] = self.reaper.through(name, lambda: self.port.append(facts, after))
        return entries

    def write(self, *args: Any) -> None:
        self.reaper.through("route", lambda: self.port.write(*args))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.port, name)


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
    while not lab.state.terminal:
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
