"""Late starts: the declared rate is kept, late harm is found soon, early harm hardly later."""

import numpy as np
import pytest

from analysis import onset
from analysis.sequential import increment, log_harm
from analysis.worlds import World

ALPHA = 0.01


def logs(world, seed, runs):
    """Log of the e-process with and without late starts, (runs, looks) each."""
    seen = world.streams(np.random.default_rng(seed), runs).arms()
    gains = increment(seen.e_c, seen.e_s, seen.x_c, seen.x_s)
    counted = (seen.e_c > 0) & (seen.e_s > 0)
    return onset.path(gains, counted), log_harm(gains.cumsum(axis=1))


def delay(log, begun=0):
    """Mean looks from the onset to the rollback; the rollout's end at latest."""
    crossed = log[:, begun:] >= -np.log(ALPHA)
    return np.where(crossed.any(axis=1), crossed.argmax(axis=1) + 1, crossed.shape[1]).mean()


def test_nothing_is_won_or_lost_before_the_first_look():
    assert onset.log_harm(onset.START, 0) == pytest.approx(0, abs=1e-12)
    assert onset.log_harm(np.tile(onset.START, (3, 2, 1)), np.zeros((3, 2))).shape == (3, 2)


def test_the_path_is_the_fold_look_by_look():
    rng = np.random.default_rng(51)
    counted = rng.random(60) < 0.8
    gains = rng.normal(-0.5, 2, (60, 6)) * counted[:, None]
    state, looks, folded = onset.START, 0, []
    for gain, there in zip(gains, counted, strict=True):
        if there:
            state, looks = onset.look(state, looks, gain), looks + 1
        folded.append(float(onset.log_harm(state, looks)))
    assert onset.path(gains, counted) == pytest.approx(folded)


@pytest.mark.parametrize("scenario", ["iid", "incidents", "ramp"])
@pytest.mark.parametrize(("rate", "base"), [(0.2, 0.05), (20.0, 0.01), (500.0, 0.001)])
def test_false_rollback_is_as_rare_as_declared(scenario, rate, base):
    runs = 1000
    late, _ = logs(World(scenario, rate, base, pods_canary=1, pods_stable=1), 52, runs)
    for alpha in (0.05, ALPHA):
        ever = (late >= -np.log(alpha)).any(axis=1).mean()
        assert ever <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / runs)


@pytest.mark.parametrize(("begun", "part"), [(60, 0.85), (120, 0.7)])
def test_harm_that_begins_late_is_found_sooner(begun, part):
    late, plain = logs(World(theta=2.0, onset=begun), 53, 400)
    assert delay(late, begun) < part * delay(plain, begun)


def test_harm_from_the_first_look_on_is_found_hardly_later():
    late, plain = logs(World(theta=2.0, weight=0.1), 54, 400)
    assert delay(plain) <= delay(late) < 1.02 * delay(plain)
