"""Plans as a namespace's resources declare them: what is examined, and what is wrong with each."""

from __future__ import annotations

import pytest

from rollout.doctor.declared import read
from tests.support.worlds import plan


def resource(name="demo", phase="stepping", observed=1, holds="True", reason="Accepted", **more):
    """A resource whose controller has shown this of it; `observed` is the generation."""
    document = plan().document()
    document["metadata"] = {"name": name, "namespace": "ns", "generation": 1}
    document["spec"] |= more
    accepted = {"type": "Accepted", "status": holds, "reason": reason, "message": f"why {reason}"}
    going = {"type": "Progressing", "status": "True", "reason": "So", "message": "Paused for you."}
    status = {"observedGeneration": observed, "phase": phase, "conditions": [accepted, going]}
    return document | {"status": status if observed else {}}


def examine_all(*resources):
    plans, findings = read("ns", resources)
    return [plan.metadata.name for plan in plans], [(e.level, e.said) for e in findings], findings


def test_no_plan_is_no_problem():
    names, levels, _ = examine_all()
    assert (names, levels) == ([], [("ok", "no plan is declared here")])


def test_what_goes_on_is_examined_and_what_has_ended_is_not():
    names, levels, _ = examine_all(resource("one"), resource("two", "promoted"))
    assert names == ["one"]
    assert levels == [("ok", "stepping"), ("ok", "promoted")]


@pytest.mark.parametrize(("observed", "level"), [(1, "ok"), (0, "fail")])
def test_a_password_is_a_mistake_of_a_plan_that_is_not_taken_up_yet(observed, level):
    prometheus = {"url": "http://eve:s3cret@prom", "scrape": "1s"}
    names, levels, findings = examine_all(resource(prometheus=prometheus, observed=observed))
    assert (names, levels[0][0]) == (["demo"] if observed else [], level)
    assert "s3cret" not in str(findings)


@pytest.mark.parametrize("observed", [0, 7])
def test_a_plan_that_nobody_has_looked_at_as_it_stands(observed):
    names, levels, (finding,) = examine_all(resource(phase="promoted", observed=observed))
    assert names == ["demo"], "it is still to be carried out"
    assert levels == [("warn", "no controller has read this version of the plan")]
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
    names, levels, (finding,) = examine_all(
        resource(phase="promoted", holds="False", reason=reason)
    )
    assert names == ["demo"]
    assert levels == [("fail", f"why {reason}")]
    assert cure in finding.fix


def test_a_paused_plan_says_why_and_what_a_person_may_say():
    _, levels, (finding,) = examine_all(resource(phase="paused"))
    assert levels == [("warn", "Paused for you.")]
    assert finding.fix == "surefoot resume, promote or abort demo"


def test_mistakes_are_told_each_with_its_place_and_code_and_others_are_read_on():
    bad = resource("bad", ramp={"steps": ["5%", "1%"], "bake": "1m"}, interval="no time")
    names, levels, findings = examine_all(bad, resource("good"))
    assert names == ["good"]
    assert [(level, message.split(" ")[0]) for level, message in levels] == [
        ("fail", "spec.ramp.steps[1]:"),
        ("fail", "spec.interval:"),
        ("ok", "stepping"),
    ]
    assert {finding.subject for finding in findings[:2]} == {"bad"}
