"""What a mismatch of the traffic's share says: what was due, what was seen, of how many."""

from __future__ import annotations

from rollout.decide.state.traffic_tally import TrafficTally


def test_it_says_what_the_canary_got_of_how_many_and_what_was_due():
    got = TrafficTally().seen(385, 12_045, 0.1)
    assert str(got) == "the canary got 3.1 % of 12,430 requests, expected 10 %"


def test_what_was_due_follows_the_weight():
    got = TrafficTally().seen(50, 950, 0.05).seen(100, 900, 0.25)
    assert str(got) == "the canary got 7.5 % of 2,000 requests, expected 15 %"


def test_small_shares_keep_their_digits_and_none_is_no_division():
    got = TrafficTally().seen(1, 999_999, 0.001)
    assert str(got) == "the canary got 0.0001 % of 1,000,000 requests, expected 0.1 %"
    assert str(TrafficTally()) == "the canary got 0 % of 0 requests, expected 0 %"
