"""Metric templates as resources: which plan reads which, and what an edit of one changes."""

from __future__ import annotations

from typing import Any

import pytest

from rollout.kube.templates import TemplateReader
from rollout.plan.kube.resource import plan_of
from tests.support.plans import HeldTemplates, Operated, resource
from tests.support.worlds import GOOD

ERRORS = {"counter": {"series": "http_total", "bad": {"code": "=~5.."}, "reporter": "proxy"}}
OWN = {**ERRORS, "labels": {"version": "build"}}
OTHER = {**OWN, "counter": {**ERRORS["counter"], "bad": {"code": "=~5..|429"}}}
WRONG = {**OWN, "counter": {**ERRORS["counter"], "bad": {"code": "5.."}}}
MARGIN = {"absolute": "5%"}


@pytest.fixture
def world():
    return Operated(canary=GOOD)


def apply(world, template="team-errors", **spec: Any):
    guardrail = {"name": "errors", "template": template, "margin": MARGIN}
    document = resource("demo", world.clock.now())
    document["spec"] |= {"guardrails": [guardrail], **spec}
    return world.cluster.apply(document)


def wait_for_steps(world):
    world.run_until(lambda: any(state.phase == "stepping" for state in world.states.values()))
    (rollout,) = world.states
    return rollout


def test_a_plan_holds_what_its_template_reads(world):
    world.set_template("team-errors", OWN)
    apply(world)
    rollout = wait_for_steps(world)
    (guardrail,) = world.states[rollout].plan.spec.guardrails
    assert guardrail.template is None
    assert guardrail.counter.series == "http_total"
    assert guardrail.labels.version == "build"
    started = next(e.fact for e in world.journal.read() if e.fact.kind == "started")
    assert started.plan["spec"]["guardrails"][0]["counter"]["bad"] == {"code": "=~5.."}
    world.run()
    assert world.condition("Accepted")[0] == "True"


def test_two_templates_are_two_digests(world):
    reader = TemplateReader(world.templates)
    document = resource("demo")
    document["spec"]["guardrails"] = [
        {"name": "errors", "template": "team-errors", "margin": MARGIN}
    ]
    world.set_template("team-errors", OWN)
    first = plan_of(document, reader.read_named(document).context)
    world.set_template("team-errors", OTHER, generation=2)
    assert plan_of(document, reader.read_named(document).context).digest != first.digest


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("edited", [OTHER, WRONG, None])
def test_an_edited_template_changes_no_rollout_under_way(world, edited, restarts):
    world.set_template("team-errors", OWN)
    apply(world)
    rollout = wait_for_steps(world)
    world.run()
    if edited is None:
        del world.templates.held["default/team-errors"]
    else:
        world.set_template("team-errors", edited, generation=2)
    if restarts:
        world.restart()
        world.run()
    world.run_until(lambda: world.states[rollout].phase == "promoted")
    world.run(5)
    assert [*world.states] == [rollout]  # nor does it begin another one after the end
    assert world.condition("Accepted")[0] == "True"
    assert world.condition("Pending")[0] != "True"
    assert world.status()["rollout"] == rollout


def test_a_plan_that_is_edited_reads_the_template_as_it_is_then(world):
    world.set_template("team-errors", OWN)
    apply(world)
    rollout = wait_for_steps(world)
    world.set_template("team-errors", OTHER, generation=2)
    apply(world, stable={"version": "v2"}, canary={"version": "v3"})
    world.run_until(lambda: world.condition("Pending")[0] == "True")
    assert world.status()["rollout"] == rollout
    world.run_until(lambda: len(world.states) == 2)
    newest = [*world.states.values()][-1]
    assert newest.plan.spec.guardrails[0].counter.bad == {"code": "=~5..|429"}


def test_a_wrong_template_refuses_the_plans_that_name_it_in_words(world):
    world.set_template("team-errors", WRONG)
    apply(world)
    world.run()
    holds, reason, message = world.condition("Accepted")
    assert (holds, reason) == ("False", "Invalid")
    assert "spec.guardrails[0].template: P006 the template `team-errors` is wrong: " in message
    assert "spec.counter.bad.code: P023 " in message
    world.set_template("team-errors", OWN, generation=2)  # mended, without an edit of the plan
    wait_for_steps(world)
    world.run()
    assert world.condition("Accepted")[0] == "True"


def test_a_missing_template_is_told_with_what_there_is(world):
    world.set_template("team-errors", OWN)
    apply(world, "team-error")
    world.run()
    message = world.condition("Accepted")[2]
    assert "there is no template `team-error`" in message
    assert "team-errors" in message


def test_a_template_of_another_namespace_is_none(world):
    world.set_template("team-errors", OWN)
    held = world.templates.held.pop("default/team-errors")
    held["metadata"]["namespace"] = "elsewhere"
    world.templates.held["elsewhere/team-errors"] = held
    apply(world)
    world.run()
    assert "there is no template `team-errors`" in world.condition("Accepted")[2]


def test_templates_that_may_not_be_listed_are_told_with_the_cure(world):
    world.templates.is_listed = False
    apply(world)
    world.run()
    message = world.condition("Accepted")[2]
    assert "the MetricTemplates of this namespace are not read yet" in message
    assert "manifests/crd-template.yaml" in message


def test_nobody_asks_for_templates_while_no_plan_names_one():
    class UnaskedTemplates(HeldTemplates):
        def list(self):
            raise AssertionError("asked")

    world = Operated(templates=UnaskedTemplates())
    plan = world.apply()
    world.run_until(lambda: plan.id in world.states)
    world.run(3)
    assert world.condition("Accepted")[0] == "True"
