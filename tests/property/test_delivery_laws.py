"""Whatever reaches the journal: the laws of a delivery and of its table."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.decide.fold import fold
from rollout.decide.record.facts import Decided, Fact
from rollout.decide.record.reasons import Reason
from rollout.decide.record.route_facts import Confirmed, Drifted, RouteFailed
from rollout.decide.record.split import Split
from rollout.decide.state.delivery import DELIVERY_MOVES, Delivery, DeliveryEvent, Status
from rollout.decide.state.rollout import RolloutState
from tests.support.states import T0, begun

STATUSES: tuple[Status, ...] = get_args(Status)
SPLITS = st.sampled_from([Split(0), Split(5), Split(40), Split(100)])
FAILURES = st.sampled_from([{}, {"unread": True}, {"refused": True}])


@st.composite
def deliveries(draw: st.DrawFn) -> Delivery:
    """A delivery after any events, each as the fold would apply it."""
    delivery = Delivery(wanted=Split(0), confirmed=Split(0))
    for seq in range(1, draw(st.integers(0, 12)) + 1):
        delivery = draw(st.sampled_from(list(after_any_event(draw, delivery, seq))))
    return delivery


def after_any_event(draw, delivery: Delivery, seq: int):
    yield delivery.want(draw(SPLITS), seq, T0)
    yield delivery.rewrite(seq, T0)
    yield delivery.fail(failed(delivery, **draw(FAILURES)), T0 + 1)
    yield delivery.drift(draw(SPLITS), T0)
    yield delivery.revert(T0)
    if delivery.is_open:
        yield delivery.confirm(T0)
    if delivery.is_refused:
        yield delivery.give_up()


def failed(delivery: Delivery, **fields) -> RouteFailed:
    return RouteFailed(
        rollout="r",
        at=T0,
        decision=delivery.decision,
        problem="p",
        attempt=delivery.attempts + 1,
        **fields,
    )


@pytest.mark.parametrize("status", STATUSES)
def test_table_leads_from_every_status_to_settled(status):
    reached, size = {status}, 0
    while size < len(reached):
        size = len(reached)
        reached |= {after for (before, _), after in DELIVERY_MOVES.items() if before in reached}
    assert "settled" in reached


def test_table_reaches_every_status_by_every_event_and_lists_no_change_that_is_none():
    assert {*DELIVERY_MOVES.values()} == {*STATUSES}
    assert {event for _, event in DELIVERY_MOVES} == {*get_args(DeliveryEvent)}
    assert [move for move, after in DELIVERY_MOVES.items() if move[0] == after] == []


@given(deliveries(), SPLITS)
def test_decision_is_always_written(delivery, split):
    after = delivery.want(split, 99, T0)
    assert (after.status, after.wanted, after.retry_at) == ("to write", split, T0)
    assert after.awaits(99)


@given(deliveries())
def test_rewrite_overwrites_whatever_is_there(delivery):
    after = delivery.rewrite(99, T0)
    assert (after.status, after.is_unseen, after.problem) == ("to write", False, "")


@given(deliveries())
def test_confirmed_delivery_is_settled(delivery):
    if delivery.is_open:
        after = delivery.confirm(T0)
        assert (after.status, after.confirmed) == ("settled", delivery.wanted)
        assert (after.attempts, after.problem, after.is_unseen) == (0, "", False)


@given(deliveries())
def test_delivery_without_a_write_wants_what_the_mesh_confirmed(delivery):
    if not delivery.has_to_write:
        assert delivery.wanted == delivery.confirmed


@given(deliveries())
def test_refusal_of_what_was_confirmed_leaves_nothing_to_deliver(delivery):
    after = delivery.fail(failed(delivery, refused=True), T0)
    assert after.is_refused
    assert after.is_open == delivery.has_to_write


@given(deliveries())
def test_given_up_refusal_leaves_nothing_to_deliver(delivery):
    if delivery.is_refused:
        after = delivery.give_up()
        assert (after.status, after.wanted) == ("settled", delivery.confirmed)


@given(deliveries())
def test_unread_mesh_is_written_only_for_what_it_never_confirmed(delivery):
    after = delivery.fail(failed(delivery, unread=True), T0)
    assert after.is_unseen
    assert after.status == ("to write" if delivery.has_to_write else "to read again")


@given(deliveries(), SPLITS)
def test_drift_ends_every_outage_and_is_delivered_only_by_a_revert(delivery, split):
    adopted, reverted = delivery.drift(split, T0), delivery.revert(T0)
    assert not adopted.is_unseen
    assert not adopted.is_open
    assert not reverted.is_unseen
    assert adopted.wanted == adopted.confirmed == split
    assert reverted.has_to_write
    assert reverted.wanted == delivery.wanted


@given(deliveries())
def test_retry_follows_every_failure_that_is_no_final_refusal(delivery):
    for fields in ({}, {"unread": True}):
        after = delivery.fail(failed(delivery, **fields), T0 + 7)
        assert after.is_open
        assert after.retry_at == T0 + 7


@given(st.data())
def test_fold_confirms_only_the_newest_decision(data):
    state = begun(onDrift=data.draw(st.sampled_from(["pause", "adopt", "revert"])))
    for seq in range(2, 10):
        fact = data.draw(st.sampled_from([*facts_for(data.draw, state)]))
        after = fold(state, fact, seq)
        if isinstance(fact, Confirmed) and not state.delivery.awaits(fact.decision):
            assert after == state
        if isinstance(fact, RouteFailed) and fact.decision != state.delivery.decision:
            assert after == state
        state = after


def facts_for(draw, state: RolloutState):
    """Facts that may come next, among them late answers to an older decision."""
    decision = draw(st.sampled_from([state.delivery.decision, 1]))
    common = {"rollout": "r", "at": T0}
    decided = {"reasons": ("nothing-harmful",), "sentence": "s", **common}
    facts: list[Fact] = [
        Decided(action="advance", split=draw(SPLITS), **decided),
        Decided(action="roll back", split=Split(0), **decided),
        Confirmed(decision=decision, split=state.wanted, **common),
        RouteFailed(decision=decision, problem="p", attempt=1, **draw(FAILURES), **common),
        Drifted(seen=draw(SPLITS), **common),
    ]
    if state.delivery.is_refused:
        reasons = (Reason.ROUTE_REFUSED.value,)
        decided |= {"reasons": reasons}
        facts.append(Decided(action="pause", split=state.split, **decided))
    return facts
