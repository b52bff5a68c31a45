"""What other evidence would have led to, by the rules that decided."""

from __future__ import annotations

import pytest

from rollout.decide.record.facts import Decided, HumanSaid
from rollout.decide.record.split import Split
from rollout.explain.decision.replayed import explain, text
from rollout.journal.jsonl import LinesJournal
from rollout.journal.memory import MemoryJournal
from rollout.page.pages import PageSet
from rollout.page.reader import JournalReader
from rollout.page.render import Links
from rollout.ports import RouteStatus
from tests.support.worlds import BAD, Lab, plan
from tests.unit.page.conftest import RECORDED


@pytest.fixture(scope="module")
def recorded():
    return LinesJournal(RECORDED).read()


def turns(entries, number):
    return explain(entries, number)["turning_points"]


@pytest.mark.parametrize(
    ("number", "points"),
    [
        (7, ["with evidence of harm of 100 (1 was there): roll back (0 %)"]),
        (
            38,
            [
                "with evidence of harm of 100 (0.00902 was there): roll back (0 %)",
                "with proof of errors (81 % of it was there): promote (100 %)",
            ],
        ),
        (
            51,
            [
                "with evidence of harm of 100 (0.00388 was there): roll back (0 %)",
                "without proof of every guardrail: hold",
            ],
        ),
        (75, ["without evidence of harm of 100 (887 was there): hold"]),
    ],
)
def test_what_would_have_changed_a_decision_is_what_its_rules_choose(recorded, number, points):
    assert turns(recorded, number) == points


def test_what_the_next_decision_was_is_what_was_said_to_lack(recorded):
    """At 38 the proof of errors was said to lack for a promotion; 51 has it, and promotes."""
    (_, proof) = turns(recorded, 38)
    later = next(entry.fact for entry in recorded if entry.seq == 51)
    assert isinstance(later, Decided)
    assert proof.endswith(f"{later.action} (100 %)")


def test_an_observer_would_have_wished_otherwise():
    lab = Lab(BAD, plan(authority="observe", deadline="1h"))
    lab.router.statuses[lab.plan.id] = RouteStatus(Split(25), "others")
    lab.run(60.0)
    wish = next(e for e in lab.entries if isinstance(e.fact, Decided) and e.fact.would)
    points = turns(lab.entries, wish.seq)
    assert any(": would roll back (0 %)" in point for point in points)


def test_a_person_s_command_rests_on_no_evidence():
    lab = Lab(BAD)
    lab.run_until(lambda state: state.phase == "stepping")
    lab.controller.note(
        HumanSaid(rollout=lab.rollout, at=lab.clock.now(), command="abort", actor="ann")
    )
    lab.run_until(lambda state: state.is_terminal)
    aborted = next(e for e in lab.entries if getattr(e.fact, "action", "") == "roll back")
    assert turns(lab.entries, aborted.seq) == [
        "neither harm nor proof would have: it rests on the time, the route or a person"
    ]


def test_the_command_and_the_page_show_it_with_all_numbers(recorded):
    printed = text(explain(recorded, 75))
    journal = MemoryJournal(LinesJournal(RECORDED).rows())
    reader = JournalReader(journal, lambda: recorded[-1].fact.at, pause=0)
    page = PageSet(reader, journal, Links()).decision(75)
    for words in (*turns(recorded, 75), "of what decides (on a log scale)", "Mantel"):
        assert words in printed
        assert words in page
