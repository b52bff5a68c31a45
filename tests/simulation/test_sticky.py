"""Users who keep their version: their share is not the weight's; a distorted one is still seen."""

from __future__ import annotations

import numpy as np
import pytest

from analysis import sample_ratio
from tests.support.worlds import GOOD, Lab, plan

AFFINITY = {"affinity": {"header": "x-user"}}
USERS, REQUESTS = 3_000, 60_000


class Users:
    """Heavy-tailed users (log-normal, sd 1.5), each with a place that the weight reaches or not."""

    def __init__(self, seed: int) -> None:
        dice = np.random.default_rng(seed)
        self.place = dice.random(USERS)
        activity = dice.lognormal(0, 1.5, USERS)
        self.activity = activity / activity.sum()

    def share(self, weight: float) -> float:
        """What they make of a weight: the part of the requests whose users it reaches."""
        return float(self.activity[self.place < weight].sum().clip(0, 1))


def mismatched(seed: int, weights: tuple[float, ...], *, clustered: bool, times: float = 1) -> bool:
    """Whether a climb over these weights is ever called a mismatch, asked after each.

    Capital adds up over looks, so that all requests at one weight are one look.
    """
    users, dice, capital = Users(seed), np.random.default_rng(seed), sample_ratio.start()
    is_mismatched = False
    for weight in weights:
        canary = int(dice.binomial(REQUESTS, min(users.share(weight) * times, 1.0)))
        capital = sample_ratio.update(
            capital, canary, REQUESTS - canary, weight, clustered=clustered
        )
        is_mismatched = is_mismatched or sample_ratio.mismatched(capital)
    return is_mismatched


def test_sticky_users_are_no_mismatch_where_requests_by_chance_would_be():
    """3,000 users, seeds 0 to 99; of seeds 0 to 399 none was called wrong, and 202 naively."""
    climb = (0.05, 0.25, 0.5)
    alarms = [mismatched(seed, climb, clustered=True) for seed in range(100)]
    naive = [mismatched(seed, climb, clustered=False) for seed in range(100)]
    assert sum(alarms) <= 2
    assert sum(naive) >= 20, "the narrow tolerance would not do"


@pytest.mark.parametrize(("weight", "times"), [(0.05, 0.0), (0.05, 0.2), (0.05, 4.0), (0.5, 0.2)])
def test_a_share_that_is_really_distorted_is_seen_all_the_same(weight, times):
    is_mismatched = [mismatched(seed, (weight,), clustered=True, times=times) for seed in range(20)]
    assert sum(is_mismatched) >= 18


@pytest.mark.parametrize("seed", range(3))
def test_a_rollout_to_sticky_users_is_promoted(monkeypatch, seed):
    lab = Lab(GOOD, plan=plan(traffic=AFFINITY), seed=seed)
    users, share = Users(seed), lab.router.share
    monkeypatch.setattr(
        lab.router, "share", lambda split: users.share(share(split)) if share(split) < 1 else 1.0
    )
    assert lab.run().phase == "promoted"
    assert "users keep their version" in " ".join(decided.sentence for decided in lab.decisions)


def test_a_mesh_that_forgets_its_users_to_stable_is_caught(monkeypatch):
    lab = Lab(GOOD, plan=plan(traffic=AFFINITY))
    share = lab.router.share
    monkeypatch.setattr(lab.router, "share", lambda split: share(split) * 0.2)
    lab.run(120)
    assert "promote" not in lab.actions
    assert lab.decisions[-1].reasons == ("exposure-mismatch",)
