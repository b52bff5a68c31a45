"""Plans as a namespace's resources declare them: what is examined, and what is wrong with each."""

from __future__ import annotations

import pytest

from rollout.doctor.declared import read
from tests.support.worlds import plan


def resource(name="demo", phase="stepping", seen=1, holds="True", reason="Accepted", **more):
    """A resource whose controller has shown this of it; `seen` is the generation it looked at."""
    document = plan().document()
    document["metadata"] = {"name": name, "namespace": "ns", "generation": 1}
    document["spec"] |= more
    accepted = {"type": "Accepted", "status": holds, "reason": reason, "message": f"why {reason}"}
    going = {"type": "Progressing", "status": "True", "reason": "So", "message": "Paused for you."}
    status = {"observedGeneration": seen, "phase": phase, "conditions": [accepted, going]}
    return document | {"status": status if seen else {}}


def found(*resources):
    plans, findings = read("ns", resources)
    return [plan.metadata.name for plan in plans], [(e.level, e.said) for e in findings], findings


def test_no_plan_is_no_problem():
    names, told, _ = found()
    assert (names, told) == ([], [("ok", "no plan is declared here")])


def test_what_goes_on_is_examined_and_what_has_ended_is_not():
    names, told, _ = found(resource("one"), resource("two", "promoted"))
    assert names == ["one"]
    assert told == [("ok", "stepping"), ("ok", "promoted")]


@pytest.mark.parametrize("seen", [0, 7])
def test_a_plan_that_nobody_has_looked_at_as_it_stands(seen):
    names, told, (finding,) = found(resource(phase="promoted", seen=seen))
    assert names == ["demo"], "it is still to be carried out"
    assert told == [("warn", "no controller has read this version of the plan")]
    assert "surefoot operate" in finding.fix


@pytest.mark.parametrize(
    ("reason", "cure"),
    [
        ("Refused", "abort it"),
        ("Ended", "abort"),
        ("Forgotten", "backup"),
        ("Other", "fix the plan"),
    ],
)
def test_a_plan_that_is_not_taken_up(reason, cure):
    names, told, (finding,) = found(resource(phase="promoted", holds="False", reason=reason))
    assert names == ["demo"]
    assert told == [("fail", f"why {reason}")]
    assert cure in finding.fix


def test_a_paused_plan_says_why_and_what_a_person_may_say():
    _, told, (finding,) = found(resource(phase="paused"))
    assert told == [("warn", "Paused for you.")]
    assert finding.fix == "surefoot resume, promote or abort demo"


def test_mistakes_are_told_each_with_its_place_and_code_and_others_are_read_on():
    bad = resource("bad", ramp={"steps": ["5%", "1%"], "bake": "1m"}, interval="no time")
    names, told, findings = found(bad, resource("good"))
    assert names == ["good"]
    assert [(level, said.split(" ")[0]) for level, said in told] == [
        ("fail", "spec.ramp.steps[1]:"),
        ("fail", "spec.interval:"),
        ("ok", "stepping"),
    ]
    assert {each.subject for each in findings[:2]} == {"bad"}
