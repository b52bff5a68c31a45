"""What only a fleet has: blocks, places, metrics that are not there."""

import numpy as np
import pytest

from analysis import fleet as fleets
from analysis.counting.counts import EvidenceError
from analysis.fleet import FleetCounts

FULL = ["harm", "crash", "safe", "log_harm", "log_safe", "log_crash", "e_c", "past"]


def begun(n, m=3, ratio=1.25, absolute=0.002, importance=1.0):
    ratios, absolutes, weights = (np.full((n, m), v) for v in (ratio, absolute, importance))
    return fleets.start(ratios, absolutes, weights, np.full(n, 0.01), np.full(n, 0.05))


def traffic(n, m=3, p_c=0.02, *, seed=1):
    dice = np.random.default_rng(seed)
    e_c, e_s = (dice.poisson(mean, (n, m)) for mean in (60, 540))
    bad = (dice.binomial(e, p) for e, p in ((e_c, p_c), (e_s, 0.02)))
    return FleetCounts(*(np.asarray(v, dtype=float) for v in (e_c, e_s, *bad)))


def assert_same(expected, other, **close):
    for name in FULL:
        np.testing.assert_allclose(
            getattr(expected, name), getattr(other, name), err_msg=name, **close
        )


def test_blocks_change_nothing(monkeypatch):
    whole, blocks = begun(50), begun(50)
    steps = [fleets.learn, fleets.watch, fleets.look, fleets.look]
    for seed, step in enumerate(steps):
        step(whole, traffic(50, seed=seed))
    monkeypatch.setattr(fleets, "_BLOCK", 20)
    for seed, step in enumerate(steps):
        step(blocks, traffic(50, seed=seed))
    assert_same(blocks, whole, rtol=1e-13)


def test_places_out_of_order_are_their_own_and_the_rest_stays(monkeypatch):
    monkeypatch.setattr(fleets, "_BLOCK", 6)
    some, alone = begun(10), begun(5)
    untouched, rows = begun(10), np.array([7, 1, 4, 9, 2])
    for seed, step in enumerate([fleets.learn, fleets.watch, fleets.look]):
        step(some, traffic(5, seed=seed), rows)
        step(alone, traffic(5, seed=seed))
    for name in FULL:
        axis = {"harm": 1, "crash": 1, "safe": 1, "past": 1}.get(name, 0)
        capital, fresh = getattr(some, name), getattr(untouched, name)
        np.testing.assert_array_equal(capital.take(rows, axis), getattr(alone, name), name)
        rest = np.delete(np.arange(10), rows)
        np.testing.assert_array_equal(capital.take(rest, axis), fresh.take(rest, axis), name)
    for judgement, other in zip(fleets.judge(some, rows), fleets.judge(alone), strict=True):
        np.testing.assert_array_equal(judgement, other)


def test_no_place_is_no_work():
    fleet = begun(4)
    nobody = np.array([], dtype=np.intp)
    fleets.look(fleet, traffic(0), nobody)
    assert_same(fleet, begun(4))
    assert fleets.judge(fleet, nobody).kinds.shape == (0, 3)


def test_a_metric_that_a_rollout_does_not_have_neither_weighs_nor_keeps_it_from_safe():
    importance = np.array([[1.0, 2.0, 0.0]])
    padded = fleets.start([[1.25] * 3], [[0.05] * 3], importance, [0.01], [0.05])
    cropped = fleets.start([[1.25] * 2], [[0.05] * 2], importance[:, :2], [0.01], [0.05])
    for seed in range(10):
        counts = traffic(1, seed=seed)
        counts.e_c[:, 2] = counts.x_c[:, 2] = 0
        fleets.look(padded, counts)
        fleets.look(cropped, FleetCounts(*(arm_counts[:, :2] for arm_counts in counts)))
    padded_judgement, other = fleets.judge(padded), fleets.judge(cropped)
    assert padded_judgement.log_joint == pytest.approx(other.log_joint, rel=1e-12)
    assert padded_judgement.safe.all()
    assert other.safe.all()


def test_judging_changes_nothing_and_blind_is_neither_safe_nor_spared():
    fleet = begun(3, absolute=0.05)
    rates = np.array([[0.02], [0.02], [0.5]])
    for seed in range(10):
        fleets.look(fleet, traffic(3, p_c=rates, seed=seed))
    before = fleets.judge(fleet)
    blind = np.zeros((3, 3), bool)
    blind[1:, 0] = True
    after = fleets.judge(fleet, blind=blind)
    named = [[fleets.KINDS[code] for code in row] for row in after.kinds]
    assert named == [["safe"] * 3, ["blind", "safe", "safe"], ["harmful"] * 3]
    assert after.harmful.tolist() == [False, False, True]
    assert after.safe.tolist() == [True, False, False]
    np.testing.assert_array_equal(after.log_joint, before.log_joint)


def test_capital_far_below_nothing_stays_finite():
    fleet = begun(1, absolute=0.0)
    huge = FleetCounts(*(np.full((1, 3), value) for value in (1e12, 1e12, 0.0, 1e12)))
    for _ in range(3):
        fleets.look(fleet, huge)
    judged = fleets.judge(fleet)
    assert np.isfinite(judged.log_joint).all()
    assert np.isfinite(fleet.log_safe).all()
    assert (judged.kinds == fleets.SAFE).all()


@pytest.mark.parametrize("bad", [-1.0, 0.5, np.nan, np.inf, 1e17])
@pytest.mark.parametrize("look", [fleets.learn, fleets.watch, fleets.look])
def test_what_is_no_count_is_refused_and_changes_nothing(look, bad):
    fleet, counts = begun(2), traffic(2)
    counts.x_s[1, 2] = bad
    with pytest.raises(EvidenceError, match="a count is"):
        look(fleet, counts)
    assert_same(fleet, begun(2))
