"""Faults: shares within binomial error of what was asked, delays as stated, drops calibrated."""

from itertools import islice
from math import sqrt
from statistics import fmean, median

import pytest

from rollout.demo.services.corpus import notes
from rollout.demo.services.faults import Faults, fates, share_for_drop
from rollout.demo.services.scoring import score
from rollout.demo.services.versions import ALGORITHMS, summarizer, truncated
from rollout.errors import SurefootError

SEED, MANY = 20240, 20_000


@pytest.fixture(scope="module")
def summarize():
    return summarizer(ALGORITHMS["v3"])


def drawn(count=MANY, **faults):
    return list(islice(fates(Faults(**faults), SEED), count))


def near(share, count, wanted):
    return abs(share - wanted) <= 4 * sqrt(wanted * (1 - wanted) / count)


@pytest.mark.parametrize("share", [0.005, 0.04, 0.5])
def test_error_and_truncation_shares(share):
    some = drawn(errors=share, truncated=share)
    assert near(fmean(fault.failed for fault in some), MANY, share)
    assert near(fmean(fault.truncated for fault in some), MANY, share)
    both = fmean(fault.failed and fault.truncated for fault in some)
    assert near(both, MANY, share**2), "drawn on their own"


def test_no_fault_without_being_asked():
    assert not any(fault.failed or fault.truncated for fault in drawn(errors=0.0))
    assert all(fault.failed for fault in drawn(100, errors=1.0))


def test_the_tail_is_three_times_slower_on_its_share():
    ratios = [
        slow.delay / plain.delay
        for slow, plain in zip(drawn(tail_share=0.15), drawn(), strict=True)
    ]
    slow = [ratio for ratio in ratios if ratio > 1.5]
    assert near(len(slow) / MANY, MANY, 0.15)
    assert slow == pytest.approx([3.0] * len(slow))
    assert sum(ratios) == pytest.approx(3 * len(slow) + MANY - len(slow))


def test_delays_are_lognormal():
    delays = sorted(fault.delay for fault in drawn())
    assert median(delays) == pytest.approx(0.05, rel=0.02)
    assert delays[int(0.8413 * MANY)] / median(delays) == pytest.approx(1.492, rel=0.03)  # e^.4


def test_a_seed_gives_the_same_fates():
    assert drawn(50) == drawn(50)
    assert drawn(50) != list(islice(fates(Faults(), SEED + 1), 50))


def test_a_score_drop_is_what_was_asked_for(summarize):
    share = share_for_drop(0.08, summarize)
    assert 0 < share < 1
    good = {note.id: score(note, summarize(note)) for note in notes().values()}
    bad = {note.id: score(note, truncated(note)) for note in notes().values()}
    rounds = 20
    fate = fates(Faults(truncated=share), SEED)
    served = [bad[n] if next(fate).truncated else good[n] for _ in range(rounds) for n in good]
    assert 0.07 <= fmean(good.values()) - fmean(served) <= 0.09


def test_no_drop_is_no_share_and_too_much_is_refused(summarize):
    assert share_for_drop(0.0, summarize) == 0
    with pytest.raises(SurefootError, match="more than truncation costs"):
        share_for_drop(0.5, summarize)
