"""The mesh of then, as the counts show it: a split that stays until they contradict it."""

from __future__ import annotations

import numpy as np
import pytest

from rollout.decide.record.split import Split
from rollout.errors import InputError, RouteError
from rollout.ports import Answer
from rollout.rehearse.backtest import CountedMesh, run_backtest
from tests.support.worlds import plan

PLAN = plan()  # steps of 5, 25 and 50 %


def show(shares, requests=2000, seed=1, the_plan=PLAN):
    """The splits that a mesh shows, look by look, where the canary really had these shares."""
    dice, mesh, splits = np.random.default_rng(seed), CountedMesh(the_plan), []
    for share in shares:
        canary = int(dice.binomial(requests, share))
        mesh.note(canary, requests - canary)
        splits.append(mesh.read(the_plan, 100).split.canary)
    return splits


@pytest.mark.parametrize("seed", range(5))
def test_a_share_is_a_step_s_and_stays_although_counts_vary(seed):
    assert show([0.0] * 5 + [0.05] * 50 + [0.25] * 50, seed=seed) == [0] * 5 + [5] * 50 + [25] * 50


def test_a_look_in_which_somebody_moved_it_is_corrected_by_the_next_ones():
    assert show([0.05] * 3 + [0.15] + [0.25] * 3)[-2:] == [25, 25]


def test_a_look_in_which_it_moved_a_little_is_corrected_by_many_next_ones():
    """No single look of 200 requests contradicts 96 % where 100 % are the canary's."""
    assert show([0.5] * 3 + [0.96] + [1.0] * 10, requests=200)[3:] != [96] * 11
    assert show([0.5] * 3 + [0.96] + [1.0] * 10, requests=200)[-1] == 100


def test_a_share_between_steps_is_read_to_a_percent():
    assert show([0.0, 0.14, 0.14], requests=100_000)[-1] == 14


def test_a_few_requests_tell_nothing():
    mesh = CountedMesh(PLAN)
    mesh.note(3, 3)
    with pytest.raises(RouteError, match="no requests are recorded yet"):
        mesh.read(PLAN, 100)


def test_nothing_can_be_written_to_the_past():
    with pytest.raises(RouteError, match="cannot be changed"):
        CountedMesh(PLAN).write(PLAN, Split(0), "x")


class UnansweredObserver:
    """A Prometheus that does not answer."""

    def observe(self, asks, now):
        del now
        return {ask.rollout: Answer(problems={"errors": "it is silent"}) for ask in asks}


def test_without_samples_it_is_refused_in_words():
    with pytest.raises(InputError, match=r"^it is silent; so no requests of v2 and v1 are"):
        run_backtest(PLAN, UnansweredObserver(), 1000.0, 1060.0)


def test_a_time_that_begins_longer_than_the_deadline_before_the_samples_is_told_by_it():
    own = plan(deadline="60s")
    with pytest.raises(InputError, match=r"in these 6\d s until the plan's deadline, which counts"):
        run_backtest(own, UnansweredObserver(), 1000.0, 9000.0)


def test_a_segment_s_share_is_told_by_no_count():
    header = {"header": {"name": "x", "exact": "y"}}
    route = {"istio": {"virtualService": "s", "destinationRule": "s"}}
    own = plan(route=route, traffic={"segment": header})
    with pytest.raises(InputError, match="no backtest"):
        run_backtest(own, UnansweredObserver(), 1000.0, 1060.0)
