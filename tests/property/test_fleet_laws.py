"""A fleet folded at once says what its rollouts say folded one by one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from analysis import fleet as fleets
from analysis.counting.counts import Counts
from analysis.rates.rate import RateMargin
from analysis.verdict.rate_test import RateTest
from analysis.verdict.verdict import Guarded, judge

HUGE = 10**12
ALPHA, BETA = 0.01, 0.05
METRICS = ["a", "b", "c"]
counts = st.one_of(st.integers(0, 50), st.integers(0, 5_000), st.integers(0, HUGE))
rates = st.builds(
    lambda c, s, x, y: Counts((c, min(x, c)), (s, min(y, s))), counts, counts, counts, counts
)
margins = st.sampled_from([(1.0, 0.01), (1.25, 0.002), (2.0, 0.0), (1.5, 0.3)])
importances = st.sampled_from([1.0, 2.0, 0.5])
kinds = st.sampled_from(["learn", "watch", "look", "look", "look"])


@st.composite
def stories(draw):
    """A few rollouts of three rates, and looks at some of them, of all three kinds."""
    size = draw(st.integers(1, 4))
    guards = [[(draw(margins), draw(importances)) for _ in METRICS] for _ in range(size)]
    looks = []
    for _ in range(draw(st.integers(0, 6))):
        rows = draw(st.lists(st.integers(0, size - 1), unique=True, min_size=1))
        looks.append((draw(kinds), rows, [[draw(rates) for _ in METRICS] for _ in rows]))
    return guards, looks


def one_by_one(guards, looks):
    tests = [[RateTest(RateMargin(*margin)) for margin, _ in row] for row in guards]
    for kind, rows, rows_counts in looks:
        for row, evidences in zip(rows, rows_counts, strict=True):
            for metric, evidence in enumerate(evidences):
                by = {"learn": RateTest.learn, "watch": RateTest.watch, "look": RateTest.update}
                tests[row][metric] = by[kind](tests[row][metric], evidence)
    guarded = [
        {name: Guarded(tests[row][m], guards[row][m][1]) for m, name in enumerate(METRICS)}
        for row in range(len(guards))
    ]
    return [judge(guard, ALPHA, BETA) for guard in guarded], tests


def begun(guards):
    ratio, absolute, importance = (
        [[pick(guard) for guard in row] for row in guards]
        for pick in (lambda g: g[0][0], lambda g: g[0][1], lambda g: g[1])
    )
    size = len(guards)
    return fleets.start(ratio, absolute, importance, np.full(size, ALPHA), np.full(size, BETA))


def counted(rows_counts):
    fields = ("canary_exposures", "stable_exposures", "canary_bad", "stable_bad")
    return fleets.FleetCounts(
        *(
            np.array([[getattr(e, f) for e in row] for row in rows_counts], dtype=float)
            for f in fields
        )
    )


def units(looks, size):
    """Bad units per rollout: both ways lose some 1e-15 of the capital for each of them."""
    harm = np.zeros(size)
    for _, rows, rows_counts in looks:
        for row, evidences in zip(rows, rows_counts, strict=True):
            harm[row] += sum(e.canary_bad + e.stable_bad + e.canary_exposures for e in evidences)
    return harm


@given(stories())
def test_folding_at_once_equals_folding_one_by_one(story):
    guards, looks = story
    fleet = begun(guards)
    for kind, rows, rows_counts in looks:
        getattr(fleets, kind)(fleet, counted(rows_counts), np.array(rows))
    judgements, tests = one_by_one(guards, looks)
    judged = fleets.judge(fleet)
    slack = 1e-9 + 1e-14 * units(looks, len(guards))
    for row, judgement in enumerate(judgements):
        close = {"rtol": 1e-9, "atol": slack[row]}
        np.testing.assert_allclose(judged.log_joint[row], judgement.log_joint, **close)
        np.testing.assert_allclose(fleet.log_harm[row], list(judgement.log_parts.values()), **close)
        np.testing.assert_allclose(fleet.log_crash[row], judgement.log_crash, **close)
        kinds = [verdict.kind for verdict in judgement.verdicts.values()]
        assert [fleets.KINDS[code] for code in judged.kinds[row]] == kinds
        assert (judged.harmful[row], judged.safe[row]) == (judgement.harmful, judgement.safe)
        proofs = [test.logs.safe for test in tests[row]]
        np.testing.assert_allclose(fleet.log_safe[row], proofs, **close)
