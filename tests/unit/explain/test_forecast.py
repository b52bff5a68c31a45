"""What a rollout still needs, and what acts by itself: as it then comes."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from rollout.cli.text.screen import screen
from rollout.decide.record.split import Split
from rollout.explain.forecast import describe_step, forecast_proof, list_timers
from rollout.explain.status import judge_now, report
from rollout.ports import RouteStatus
from tests.support.worlds import BAD, Lab, plan


def looking_on(seed):
    """A good canary at 25 %, which others leave there."""
    lab = Lab(plan=plan(authority="observe", deadline="1h"), seed=seed)
    lab.router.statuses[lab.plan.id] = RouteStatus(Split(25), "others")
    return lab


def now_of(lab):
    return judge_now(lab.state, lab.clock.now())


def draw(lab, width=140):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(screen([report(lab.rollout, lab.state, lab.clock.now())], []))
    return console.export_text()


@pytest.mark.parametrize("seed", range(5))
def test_the_units_that_a_proof_takes_are_about_those_that_it_took(seed):
    lab, guesses, took = looking_on(seed), dict[str, Any](), dict[str, Any]()
    for _ in range(200):
        lab.run(2)
        view = now_of(lab)
        for name, verdict in view.judgement.verdicts.items():
            forecast = forecast_proof(view, name)
            if forecast:
                guesses.setdefault(name, []).append((forecast, lab.clock.now()))
            elif verdict.kind == "safe":
                units = view.judgement.readouts[name].canary
                took.setdefault(name, (units, lab.clock.now()))
    assert guesses
    for name, own in guesses.items():
        units, at = took[name]
        last, asked_at = own[-1]
        assert units / 3 < last.needed < units * 3
        assert last.units < last.needed
        assert last.seconds is not None
        assert asked_at + last.seconds == pytest.approx(at, abs=60)


def test_too_early_nothing_is_guessed():
    lab = Lab()
    lab.run(4)
    assert [forecast_proof(now_of(lab), name) for name in lab.state.guardrails] == [None] * 3


def test_a_harmful_canary_gets_no_forecast_of_its_proof():
    lab = Lab(BAD)
    lab.run(200)
    lines = report(lab.rollout, lab.state, lab.clock.now()).guardrails
    assert {line.forecast for line in lines} == {None}


def test_steps_are_counted():
    lab, steps = Lab(), []
    while not lab.state.is_terminal:
        lab.run(1)
        steps.append(describe_step(lab.state))
    assert [*dict.fromkeys(steps)] == [
        "before the first step", "step 1 of 3", "step 2 of 3", "step 3 of 3", "beyond the steps"
    ]  # fmt: skip


def test_what_acts_by_itself_is_said_the_soonest_first():
    lab = Lab()
    lab.run_until(lambda state: state.split.canary == 5)
    (timer,) = list_timers(now_of(lab))
    assert timer.acts == "roll back, without proof by the deadline"
    lab.world.dark = True
    lab.run_until(lambda state: bool(state.blind_since))
    blind, late = list_timers(now_of(lab))
    assert blind.acts.startswith("roll back, while ")
    assert blind.seconds < late.seconds
    at = lab.clock.now() + blind.seconds
    lab.run_until(lambda state: state.phase == "rolled back")
    assert lab.clock.now() == pytest.approx(at, abs=5), "and so it came"
    assert list_timers(now_of(lab)) == []


def test_the_screen_has_all_of_it_with_the_zone():
    lab = looking_on(1)
    text = ""
    while " of about " not in text:
        lab.run(2)
        text = draw(lab, 200)
    assert ", ETA " in text
    assert "step 2 of 3" in text
    assert "acts  end the observation, without proof by the deadline: in " in text
    lab.world.dark = True
    lab.run_until(lambda state: bool(state.blind_since))
    text = " ".join(draw(lab).split())
    assert "blind since 08:0" in text
    assert "Z: " in text
