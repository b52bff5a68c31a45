"""What entries are about."""

import pytest

from rollout.decide.record.facts import Action, Decided, Fact, Started
from rollout.decide.record.route_facts import Confirmed
from rollout.decide.record.split import Split
from rollout.errors import InputError
from rollout.journal.index import by_rollout, end_of, list_newest, matching, names
from rollout.journal.memory import MemoryJournal
from rollout.ports import Entry


def started(rollout: str, name: str | None = None) -> Started:
    plan = {"metadata": {"name": name}} if name else {}
    return Started(rollout=rollout, at=1.0, plan=plan, digest="d", total=100, controller="0")


def decided(action: Action, rollout: str = "a-1") -> Decided:
    return Decided(rollout=rollout, at=1.0, action=action, split=Split(0), reasons=(), sentence="")


def confirmed(decision: int, rollout: str = "a-1") -> Confirmed:
    return Confirmed(rollout=rollout, at=1.0, decision=decision, split=Split(0))


def entries(*facts: Fact) -> list[Entry]:
    return MemoryJournal().append(facts, after=0)


def test_entries_are_grouped_in_order():
    groups = by_rollout(entries(started("b-1"), started("a-1"), decided("hold", "b-1")))
    assert {rollout: [entry.seq for entry in group] for rollout, group in groups.items()} == {
        "b-1": [1, 3],
        "a-1": [2],
    }
    assert list(groups) == ["b-1", "a-1"]


def test_a_rollout_is_known_by_its_plans_name_and_its_id():
    names_by_id = names(entries(started("a-1", "a"), started("b-1", "b"), started("a-2", "a")))
    assert matching(names_by_id, "a") == ["a-1", "a-2"]
    assert matching(names_by_id, "a-1") == ["a-1"]


def test_a_plan_without_a_name_is_known_by_its_id():
    assert matching(names(entries(started("a-1"))), "a-1") == ["a-1"]


@pytest.mark.parametrize(
    ("facts", "listed"),
    [((), "known: none yet"), ((started("b-1", "b"), started("a-1", "a")), "known: a, b")],
)
def test_an_unknown_name_lists_the_known(facts, listed):
    with pytest.raises(InputError, match=listed):
        matching(names(entries(*facts)), "c")


@pytest.mark.parametrize(
    ("facts", "end"),
    [
        ((), None),
        ((decided("promote"), confirmed(1)), "promote"),
        ((decided("roll back"), confirmed(1)), "roll back"),
        ((decided("promote"),), None),
        ((decided("advance"), confirmed(1)), None),
        ((decided("advance"), decided("promote"), confirmed(1)), None),
        ((decided("promote"), confirmed(1), decided("roll back")), None),
        # the mesh took a moment: a hold stands between a rollback and its confirmation
        ([started("a-1"), decided("roll back"), decided("hold"), confirmed(2)], "roll back"),
    ],
)
def test_only_a_confirmed_last_decision_ends_a_rollout(facts, end):
    assert end_of(entries(*facts)) == end


def test_an_observation_that_was_ended_has_ended():
    assert end_of(entries(decided("end"))) == "end"


def test_a_message_names_the_newest_of_very_many():
    listed = list_newest(f"plan-{number:04}" for number in range(9000))
    assert listed.startswith("plan-8980, ")
    assert listed.endswith("plan-8999 and 8,980 older ones")
