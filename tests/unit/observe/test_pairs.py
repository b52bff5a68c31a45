"""Pairs as a real observer reads them: orders, ties, resets, and labels that say nothing known."""

from __future__ import annotations

import pytest

from rollout.plan.fields.metric import PairLabels
from tests.support.scraped import ObservedRollout, WrittenPrometheus

NAME = "summary_pairs_total"
PAIRS = {"name": "preferred", "pairs": {"series": NAME}, "margin": {"absolute": "5%"}}


def write(server, at, **totals):
    """One scrape of the judge: totals by `winner_first`."""
    for labels, total in totals.items():
        winner, first = labels.split("_")
        own = {"winner": winner, "first": first, "job": "judge", "instance": "a"}
        server.write(NAME, own, at, total)


def look_after(totals, before, guardrail=PAIRS):
    """What the second of two looks counts."""
    server, rollout = WrittenPrometheus(), None
    write(server, 100.0, **before)
    rollout = ObservedRollout(server, guardrail, 2.0)
    rollout.look(101.0)
    write(server, 102.0, **totals)
    return rollout.look(103.0), rollout, server


def test_a_look_counts_who_lost_by_order_and_ties_apart():
    before = dict.fromkeys(
        ["stable_canary", "canary_canary", "tie_canary", "stable_stable", "canary_stable"], 10
    )
    totals = before | {
        "stable_canary": 13,
        "canary_canary": 15,
        "tie_canary": 11,
        "canary_stable": 14,
    }
    counts, rollout, _ = look_after(totals, before)
    assert not rollout.problem
    assert counts.canary == (9, 3)
    assert counts.stable == (4, 4)  # stable came first in four, and lost all of them
    assert counts.canary_apart == (1,)
    assert not sum(counts.stable_apart)
    assert not counts.canary_unlabelled
    assert not counts.stable_unlabelled


@pytest.mark.parametrize("odd", ["Canary_stable", "CANARY_canary", "v2_stable", "stable_v2", "_"])
def test_other_values_are_pairs_of_no_known_outcome(odd):
    before = {"stable_canary": 10, "stable_stable": 10, odd: 10}
    counts, rollout, _ = look_after({"stable_canary": 12, "stable_stable": 10, odd: 15}, before)
    assert counts.canary_exposures + counts.stable_exposures == 7
    assert counts.canary_unlabelled + counts.stable_unlabelled == 5
    assert counts.canary_bad == 2
    assert not counts.stable_bad
    assert not any(word in text for text in rollout.unbelieved for word in ("CANARY", "v2"))


def test_a_judge_that_restarts_is_counted_at_most_once():
    before = {"stable_canary": 50, "canary_stable": 40}
    counts, rollout, server = look_after({"stable_canary": 55, "canary_stable": 44}, before)
    assert (counts.canary, counts.stable) == ((5, 5), (4, 4))
    for at, lost, won in ((104.0, 2, 1), (106.0, 4, 3), (108.0, 6, 4)):
        write(server, at, stable_canary=lost, canary_stable=won)
        rollout.look(at + 1)
    assert 5 <= rollout.total.canary[1] <= 5 + 6
    assert 4 <= rollout.total.stable[1] <= 4 + 4


def test_own_names_of_labels_and_filters():
    own = {"series": NAME, "winner": "preferred", "first": "left", "where": {"panel": "night"}}
    server = WrittenPrometheus()
    rollout = ObservedRollout(server, PAIRS | {"pairs": own}, 2.0)
    for at, total in ((100.0, 4.0), (102.0, 9.0)):
        for panel in ("night", "day"):
            for left in ("stable", "canary"):
                labels = {"preferred": "canary", "left": left, "panel": panel}
                server.write(NAME, labels, at, total)
        counts = rollout.look(at + 1)
    assert (counts.canary, counts.stable) == ((5, 0), (5, 5))


def test_every_series_is_of_exactly_one_kind():
    labels = PairLabels()
    for winner in ("stable", "canary", "tie", "other", ""):
        for first in ("stable", "canary", "other", ""):
            own = {"winner": winner, "first": first}
            kinds = [labels.is_decided(own), labels.is_tie(own)]
            assert sum(kinds) == (
                first in {"stable", "canary"} and winner in {"stable", "canary", "tie"}
            )
