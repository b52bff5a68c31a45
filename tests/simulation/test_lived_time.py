"""Time that jumps, or that nobody lived through, delays no rollback and spends no wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from rollout.decide.fold import fold
from rollout.decide.record.facts import Decided, HumanSaid, of_rollout
from rollout.decide.record.split import Split
from rollout.decide.step import step
from rollout.explain.status import report
from rollout.ports import Ports
from rollout.simulate import Behaviour, VirtualClock
from rollout.tick.times.lived_time import LivedTime
from tests.support.worlds import Lab, plan

HOUR = 3600.0
JUMPS = pytest.mark.parametrize("jump", [-24 * HOUR, -HOUR, -30.0, 30.0, HOUR, 24 * HOUR])


@dataclass
class TrueWorld:
    """A Prometheus whose clock is right, whatever the controller's shows."""

    lab: Lab
    begun: float

    def observe(self, asks, now):
        del now
        return self.lab.world.observe(asks, self.begun + self.lab.clock.monotonic())


def lab(**spec):
    rollout = Lab(plan=plan(**spec))
    world = TrueWorld(rollout, rollout.clock.now())
    rollout.wrap = lambda ports: Ports(world, ports.router, ports.journal, ports.clock)
    rollout.restart()
    return rollout


def run(rollout, seconds, stop=lambda state: state.is_terminal):
    """Tick for so long by the monotonic clock; return the seconds that it took."""
    begun = rollout.clock.monotonic()
    while rollout.clock.monotonic() - begun < seconds and not stop(rollout.state):
        rollout.controller.tick()
        rollout.clock.sleep(0.5)
    return rollout.clock.monotonic() - begun


def at_work(**spec):
    rollout = lab(**spec)
    run(rollout, 200, lambda state: state.split.canary == 25 and state.steady_at is not None)
    return rollout


@JUMPS
@pytest.mark.parametrize("is_restarted", [False, True])
def test_no_jump_delays_a_rollback(jump, is_restarted):
    rollout = at_work()
    rollout.world.behaviours["v2"] = Behaviour(errors=0.9)
    rollout.clock.time += jump
    if is_restarted:
        rollout.restart()
    assert run(rollout, 60) < 20
    assert rollout.state.phase == "rolled back"
    assert rollout.decisions[-1].reasons != ("human:abort",)


@JUMPS
def test_no_jump_delays_an_abort_nor_the_retry_of_its_write(jump):
    rollout = at_work()
    rollout.router.down = "the mesh is away"
    abort = HumanSaid(rollout=rollout.rollout, at=rollout.clock.now(), command="abort", actor="me")
    rollout.controller.note(abort)
    run(rollout, 12)
    assert rollout.state.phase == "reverting"
    rollout.clock.time += jump
    rollout.router.down = ""
    assert run(rollout, 60) < 35
    assert rollout.state.phase == "rolled back"


@JUMPS
def test_a_jump_spends_no_hold_of_a_blind_guardrail(jump):
    rollout = at_work(whenBlind={"hold": "2m", "then": "rollback"})
    rollout.world.dark = True
    rollout.clock.time += jump
    lasted = run(rollout, 400, lambda state: state.phase != "stepping")
    assert 115 < lasted < 135


def test_a_machine_that_slept_spends_no_short_hold():
    rollout = at_work(whenBlind={"hold": "30s", "then": "rollback"})
    rollout.world.dark = True
    rollout.clock.sleep(HOUR)
    lasted = run(rollout, 200, lambda state: state.phase != "stepping")
    assert 28 < lasted < 40


@JUMPS
def test_a_jump_spends_no_deadline_and_the_sentence_says_so(jump):
    rollout = lab(deadline="10m", ramp={"steps": ["5%"], "bake": "5m"})
    run(rollout, 30)
    rollout.clock.time += jump
    run(rollout, 100)
    assert rollout.state.phase == "stepping"
    status = report(rollout.rollout, rollout.state, rollout.clock.now())
    if abs(jump) >= HOUR:
        assert "lived through 2m" in status.next
    if jump >= HOUR:
        rollout.world.dark = True
        run(rollout, 20)
        assert "has passed by the wall clock" in rollout.decisions[-1].sentence
        assert status.elapsed - status.lived == pytest.approx(jump, abs=1)


@pytest.mark.parametrize(
    "spec",
    [
        {"ramp": {"steps": ["5%", "50%"], "bake": "2m"}},
        {"traffic": {"mirror": {"share": "50%", "lasts": "2m"}}},
    ],
)
def test_a_jump_spends_no_bake_and_no_mirroring(spec):
    rollout = lab(**spec)
    run(rollout, 100, lambda state: state.steady_at is not None or state.split.way == "mirror")
    before = rollout.state.split
    rollout.clock.time += HOUR
    assert run(rollout, 300, lambda state: state.wanted != before) > 100


def test_a_pause_is_patient_for_a_lived_time():
    rollout = at_work(patience="5m")
    pause = HumanSaid(rollout=rollout.rollout, at=rollout.clock.now(), command="pause", actor="me")
    rollout.controller.note(pause)
    run(rollout, 5)
    rollout.clock.time += 24 * HOUR
    assert 280 < run(rollout, 400, lambda state: state.phase != "paused") < 310


def test_a_dead_prometheus_does_not_stop_the_clocks_and_leaves_small_entries():
    rollout = lab(deadline="3m", whenBlind={"hold": "1h", "then": "pause"})
    rollout.world.dark = True
    assert 170 < run(rollout, 400) < 190
    kinds = [fact.kind for fact in rollout.facts]
    assert 3 <= kinds.count("lived") <= 9


def test_every_entry_carries_the_sum_and_it_never_falls():
    rollout = at_work()
    rollout.clock.time -= HOUR
    rollout.restart()
    run(rollout, 30)
    sums = [fact.lived for fact in rollout.facts]
    assert None not in sums
    assert sums == sorted(sums)


def test_a_new_leader_goes_on_from_the_last_sum_and_an_outage_counts_little():
    rollout = at_work()
    before = rollout.state.lived
    rollout.clock.sleep(HOUR)
    rollout.restart()
    run(rollout, 5)
    assert before < rollout.state.lived <= before + 60 + 5


@JUMPS
def test_every_decision_is_the_same_in_a_replay(jump):
    rollout = at_work()
    rollout.clock.time += jump
    run(rollout, 20)
    rollout.world.dark = True
    run(rollout, 100)
    state: Any = None
    for entry in rollout.entries:
        fact = entry.fact
        if isinstance(fact, Decided):
            assert step(state, fact.at, fact.rollout, fact.lived) == fact
        if of_rollout(fact):
            state = fold(state, fact, entry.seq)


def test_a_journal_without_lived_time_counts_by_the_wall_clock():
    rollout = at_work()
    state: Any = None
    for entry in rollout.entries:
        state = fold(state, entry.fact.model_copy(update={"lived": None}), entry.seq)
    assert not state.is_lived
    assert state.clock == rollout.entries[-1].fact.at
    assert state.split == rollout.state.split == Split(25)


def test_one_gap_counts_for_a_few_looks_at_most():
    clock = VirtualClock()
    lived, state = LivedTime(clock.monotonic), lab().state
    first = lived.read("r", state, state.started_at)
    clock.sleep(HOUR)
    assert lived.read("r", state, clock.now()) - first == state.longest_gap == 60
    clock.elapsed -= HOUR
    assert lived.read("r", state, clock.now()) - first == 60
