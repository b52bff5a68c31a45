"""What comes next after a rollback depends on why it came: only harm asks for another canary."""

import pytest

from rollout.decide.record.facts import HumanSaid
from tests.support.worlds import BAD, GOOD, Lab, plan


def run_to_harm() -> Lab:
    lab = Lab(BAD)
    lab.run()
    return lab


def run_to_abort() -> Lab:
    lab = Lab(GOOD)
    lab.run_until(lambda state: state.stepped)
    say(lab, "abort")
    lab.run()
    return lab


def run_to_impatience() -> Lab:
    lab = Lab(GOOD, plan(patience="30s"))
    lab.run_until(lambda state: state.stepped)
    say(lab, "pause")
    lab.run()
    return lab


def run_to_blindness() -> Lab:
    return darken(plan(whenBlind={"hold": "20s", "then": "rollback"}))


def run_to_a_blind_pause_that_nobody_ended() -> Lab:
    return darken(plan(whenBlind={"hold": "20s", "then": "pause"}, patience="30s"))


def run_to_a_blind_deadline() -> Lab:
    return darken(plan(deadline="1m", whenBlind={"hold": "5m", "then": "rollback"}))


def run_to_deadline() -> Lab:
    lab = Lab(GOOD, plan(deadline="30s", whenInconclusive="rollback", warmup="25s"))
    lab.run()
    return lab


def darken(plan) -> Lab:
    lab = Lab(GOOD, plan)
    lab.run_until(lambda state: state.stepped)
    lab.world.dark = True
    lab.run()
    return lab


def say(lab: Lab, command) -> None:
    at = lab.clock.now()
    lab.controller.note(HumanSaid(rollout=lab.rollout, at=at, command=command, actor="ops"))


_DATA = "find the missing data (surefoot doctor), then surefoot retry demo."
NEXT = {
    run_to_harm: "fix v2, then surefoot retry demo.",
    run_to_abort: "surefoot retry demo starts it again.",
    run_to_impatience: "surefoot retry demo starts it again.",
    run_to_blindness: _DATA,
    run_to_a_blind_pause_that_nobody_ended: _DATA,
    run_to_a_blind_deadline: _DATA,
    run_to_deadline: (
        "more traffic, a longer deadline or a wider margin may prove it (surefoot rehearse tells), "
        "or surefoot retry demo as it is."
    ),
}


@pytest.mark.parametrize("run", NEXT, ids=lambda run: run.__name__)
def test_what_comes_next_fits_why_it_was_rolled_back(run):
    lab = run()
    assert lab.state.phase == "rolled back"
    assert lab.state.move is not None
    assert lab.state.move.sentence.partition("; next: ")[2] == NEXT[run]
