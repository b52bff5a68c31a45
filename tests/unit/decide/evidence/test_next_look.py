"""When the next look is due: from sample times alone, never late, right after a scrape."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.counting.cursor import Arm, Cursor, Sample, Series
from rollout.decide.evidence.next_look import is_partial, margin, next_look
from rollout.decide.evidence.update import apply_observation
from rollout.decide.record.facts import Observed
from rollout.decide.record.split import Split
from tests.support.states import T0, begun, delivering

SCRAPE, INTERVAL = 15.0, 30.0
FIRST = {"prometheus": {"scrape": "15s"}, "interval": "30s"}
OFFSETS = st.lists(st.floats(0, 14.99), min_size=1, max_size=6)


def scraped(canary, stable, looked_at, value=0.0, **spec):
    """A rollout that read every target's newest sample; a target is scraped at its offset."""
    state = begun(**{**FIRST, **spec})
    name = next(iter(state.guardrails))
    arms: tuple[tuple[Arm, list[float]], ...] = (("canary", canary), ("stable", stable))
    last: dict[tuple[Arm, str], Sample] = {
        (arm, f"{arm}-{number}"): (looked_at - (looked_at - T0 - offset) % SCRAPE, (value,))
        for arm, offsets in arms
        for number, offset in enumerate(offsets)
    }
    guardrail = replace(state.guardrails[name], cursor=Cursor(last=last, started=True))
    return replace(state, guardrails={**state.guardrails, name: guardrail}, looked_at=looked_at)


def phase(at, offset):
    """Seconds since the last scrape of the target with this offset."""
    return (at - T0 - offset + 1e-3) % SCRAPE - 1e-3


@given(OFFSETS, OFFSETS, st.floats(0, 100))
def test_a_look_is_never_later_than_one_interval_after_the_last(canary, stable, seconds):
    looked_at = T0 + 1000 + seconds
    look = next_look(scraped(canary, stable, looked_at), looked_at)
    assert looked_at < look.at <= look.latest == looked_at + INTERVAL
    assert look.at > looked_at + INTERVAL - SCRAPE


@given(OFFSETS, OFFSETS, st.floats(0, 100))
def test_counts_do_not_move_a_look(canary, stable, seconds):
    looked_at = T0 + 1000 + seconds
    look = next_look(scraped(canary, stable, looked_at), looked_at)
    assert next_look(scraped(canary, stable, looked_at, 1e6), looked_at) == look


@given(st.floats(0, 14.99), st.floats(0, 14.99), st.floats(0, 100))
def test_the_look_after_any_comes_right_after_the_canarys_scrape(canary, stable, seconds):
    looked_at = T0 + 1000 + seconds
    look = next_look(scraped([canary], [stable], looked_at), looked_at)
    soon = phase(looked_at + 1000 * SCRAPE, canary) < margin(SCRAPE)
    late = phase(look.at, canary)
    follows_stable = phase(look.at, stable) <= margin(SCRAPE) + 1e-6 and late <= SCRAPE / 4 + 1
    assert soon or follows_stable or late == pytest.approx(margin(SCRAPE), abs=1e-6)


@given(OFFSETS, OFFSETS, st.floats(0, 100), st.floats(0, 0.5))
def test_looks_keep_their_phase_once_it_is_found(canary, stable, seconds, late):
    """Ticks delay looks; the next is due as if they had not, so no phase drifts for long."""
    at = T0 + 1000 + seconds
    for _ in range(12):
        at = next_look(scraped(canary, stable, at), at).at + late
    for _ in range(5):
        after = next_look(scraped(canary, stable, at), at).at + late
        assert INTERVAL - 2.5 <= after - at <= INTERVAL + late + 1e-6
        at = after


def test_nothing_known_leaves_a_whole_interval():
    look = next_look(begun(**FIRST), T0)
    assert (look.at, look.latest) == (T0 + INTERVAL, T0 + INTERVAL)


def test_of_several_canary_targets_the_last_before_the_longest_pause_counts():
    looked_at = T0 + 1000 * SCRAPE + 12.0
    look = next_look(scraped([1.0, 3.5], [], looked_at), looked_at)
    assert phase(look.at, 3.5) == pytest.approx(margin(SCRAPE), abs=1e-6)


def test_a_target_of_stable_that_is_scraped_soon_after_is_awaited():
    looked_at = T0 + 1000 * SCRAPE + 12.0
    look = next_look(scraped([1.0], [2.0], looked_at), looked_at)
    assert phase(look.at, 2.0) == pytest.approx(margin(SCRAPE), abs=1e-6)


def test_a_canary_that_is_silent_for_long_is_not_waited_for():
    looked_at = T0 + 1000 * SCRAPE + 12.0
    state = scraped([], [5.0], looked_at)
    name = next(iter(state.guardrails))
    guardrail = state.guardrails[name]
    last = {**guardrail.cursor.last, ("canary", "old"): (looked_at - 600, (0.0,))}
    guardrails = {**state.guardrails, name: replace(guardrail, cursor=Cursor(last=last))}
    assert next_look(replace(state, guardrails=guardrails), looked_at) == next_look(
        state, looked_at
    )


def test_a_scrape_that_could_not_be_read_yet_is_asked_for_soon():
    looked_at = T0 + 1000 * SCRAPE + 1.0  # the canary is scraped at 0 and takes longer than 1 s
    state = scraped([0.0], [0.0], looked_at - 2)
    look = next_look(state, looked_at)
    assert look.at == pytest.approx(looked_at + 1, abs=1e-2)
    assert not look.has_come([looked_at - 1 - SCRAPE])
    assert look.has_come([looked_at - 1])
    assert look.again_at(look.at) == pytest.approx(looked_at + 3, abs=1e-2)
    assert look.again_at(looked_at + 25) == look.latest


@pytest.mark.parametrize(
    ("seconds", "expected"), [(3, True), (14, True), (25, True), (28, False), (30, False)]
)
def test_a_look_is_partial_where_it_is_much_shorter_than_the_interval(seconds, expected):
    state = replace(begun(**FIRST), looked_at=T0)
    assert is_partial(state, T0 + seconds) is expected


def test_a_partial_look_says_nothing_of_the_share_or_of_the_requests_per_look():
    """Its canary was scraped again, and stable was not."""
    state = scraped([0.0], [0.0], T0 + 1500)
    state = delivering(
        replace(state, requests_per_look=500.0),
        confirmed=Split(10, 100),
        wanted=Split(10, 100),
        confirmed_at=T0,
    )
    name = next(iter(state.guardrails))
    for seconds, is_counted in ((9, False), (30, True)):
        at = T0 + 1500 + seconds
        series = (Series("canary-0", "canary", ((at, (200.0,)),)),)
        after = apply_observation(state, Observed(rollout="r", at=at, series={name: series}), 9)
        assert (after.shares != state.shares) is is_counted
        assert after.requests_per_look == (200.0 if is_counted else 500.0)


@given(st.floats(0, 14.99), st.integers(0, 4), st.floats(0, 100))
def test_samples_that_are_late_within_the_lag_are_awaited_at_their_own_time(offset, late, seconds):
    errors = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "1%"}}
    guardrails = [{**errors, "lag": "60s"}]
    looked_at = T0 + 1000 + seconds
    state = scraped([offset], [offset], looked_at, guardrails=guardrails)
    plain = next_look(state, looked_at)
    (name,) = state.guardrails
    cursor = state.guardrails[name].cursor
    last = {key: (at - late * SCRAPE, values) for key, (at, values) in cursor.last.items()}
    moved = replace(state.guardrails[name], cursor=replace(cursor, last=last))
    look = next_look(replace(state, guardrails={name: moved}), looked_at)
    assert (look.at, look.latest) == (plain.at, plain.latest)
    assert look.scraped_at == pytest.approx(plain.scraped_at - late * SCRAPE)
