"""Recorded rollouts in a simulated world, as an analyst finds them in a journal."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rollout.experiment.experiment import Experiment
from rollout.review.history import history
from rollout.simulate import Behaviour
from tests.support.undrawn import leave_charts_out
from tests.support.worlds import BAD, GOOD, Lab

WORLDS: dict[str, Callable[[], Lab]] = {
    "promoted": lambda: Lab(GOOD),
    "rolled back": lambda: Lab(BAD),
    "a canary that never answers": lambda: Lab(GOOD, rate=0.01),
    "values all alike": lambda: Lab(Behaviour(errors=0.0, tail_share=0.0), rate=20.0),
}


@pytest.fixture(scope="session")
def labs() -> dict[str, Lab]:
    """Each world, run to its end."""
    ready = {name: make() for name, make in WORLDS.items()}
    for lab in ready.values():
        lab.run()
    return ready


@pytest.fixture(params=WORLDS)
def any_experiment(request: pytest.FixtureRequest, labs: dict[str, Lab]) -> Experiment:
    return Experiment(history(labs[request.param].entries))


@pytest.fixture
def bad(labs: dict[str, Lab]) -> Experiment:
    return Experiment(history(labs["rolled back"].entries))


@pytest.fixture
def good(labs: dict[str, Lab]) -> Experiment:
    return Experiment(history(labs["promoted"].entries))


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    leave_charts_out(monkeypatch)


@pytest.fixture
def begun(labs: dict[str, Lab]) -> Experiment:
    """A rollout of which nothing is recorded but its start."""
    return Experiment(history(labs["rolled back"].entries[:1]))
