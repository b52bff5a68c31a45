"""What doctor says of a route's live weight, its reports and its writers."""

from __future__ import annotations

import pytest

from rollout.decide.record.facts import Started
from rollout.decide.record.split import Split
from rollout.doctor.journal import has_decision
from rollout.doctor.live import of_git_tool, of_no_endpoints, of_reports, of_unread, of_weight
from rollout.doctor.mesh import EnvoyAdmin, of_plan
from rollout.doctor.rights import of_route
from rollout.errors import RouteError
from rollout.journal.sql.store import open_journal
from rollout.ports import RouteStatus
from rollout.simulate import MemoryRouter
from tests.support.worlds import plan

PLAN = plan()


def weight(split, write_id="", *, recorded=None):
    return of_weight(PLAN, RouteStatus(split, write_id), lambda _: recorded)


@pytest.mark.parametrize("write_id", ["", "theirs", "other-1a2b3c4d/7", "demo-11111111/3"])
def test_a_route_that_is_not_at_stable_fails_before_the_plan_begins(write_id):
    finding = weight(Split(100), write_id)
    assert finding.level == "fail"
    assert finding.said.startswith("not-at-stable: the route sends 100 % to summarizer-v2")
    assert "swap the names summarizer-v1 and summarizer-v2" in finding.fix
    assert not write_id or write_id.rpartition("/")[0] in finding.said
    assert "swap" not in weight(Split(50), write_id).fix


@pytest.mark.parametrize(
    ("error", "message", "fix"),
    [
        ({"most": 0.5}, "not-at-stable: bad", "move all traffic to summarizer-v1 first"),
        ({"absent": True}, "bad", "create the route that the plan names"),
        ({}, "bad", "mend the route, or name the right one"),
    ],
)
def test_a_route_without_a_split_fails_with_the_cure_of_what_is_wrong(error, message, fix):
    finding = of_unread(PLAN, RouteError("bad", **error))
    assert finding.level == "fail"
    assert finding.said.startswith(message)
    assert finding.fix.startswith(fix)


def test_the_plan_s_own_rollout_may_have_brought_it_there():
    for rollout in (PLAN.id, f"{PLAN.id[:-2]}-2"):
        assert weight(Split(25), f"{rollout}/9").level == "ok"
    assert weight(Split(25), f"{PLAN.id}/9", recorded=True).level == "ok"
    other = weight(Split(25), f"{PLAN.id}/9", recorded=False)
    assert other.level == "warn"
    assert "which this journal does not have" in other.said
    assert weight(Split(0), "other-1a2b3c4d/7").level == "ok"


def test_reports_and_owners_fail_with_a_cure():
    status = RouteStatus(Split(0), "", conditions=("gw dropped a rule",), owner="Rollout shop")
    condition, owner = of_reports(PLAN, status)
    assert (condition.level, condition.said) == ("fail", "gw dropped a rule")
    assert (owner.level, owner.said[:12]) == ("fail", "Rollout shop")
    assert condition.fix
    assert owner.fix
    assert [*of_reports(PLAN, RouteStatus(Split(0), ""))] == []


def test_a_git_tool_and_a_canary_without_endpoints_are_warnings():
    labels = {"metadata": {"labels": {"argocd.argoproj.io/instance": "shop"}}}
    (warning,) = of_git_tool(PLAN, "reviews", labels)
    assert (warning.level, "Argo CD" in warning.said) == ("warn", True)
    assert [*of_git_tool(PLAN, "reviews", {})] == []
    assert of_no_endpoints(PLAN).level == "warn"


@pytest.mark.parametrize(
    ("endpoints", "levels"), [(True, ["ok"]), (None, ["ok"]), (False, ["ok", "warn"])]
)
def test_endpoints_are_asked_for_unless_the_plan_does_not_wait(endpoints, levels, tmp_path):
    envoy = EnvoyAdmin(lambda _: "", lambda _: "")
    route = {"envoy": {"file": str(tmp_path / "rds.json"), "admin": "http://127.0.0.1:1"}}
    router = MemoryRouter(has_endpoints=endpoints)
    assert [finding.level for finding in of_plan(plan(route=route), router, envoy)] == levels
    eager = plan(route=route, awaitEndpoints=False)
    assert [finding.level for finding in of_plan(eager, router, envoy)] == ["ok"]


def test_a_decision_is_looked_up_in_the_journal(tmp_path):
    path = tmp_path / "journal.db"
    assert has_decision(path, f"{PLAN.id}/1") is None
    document = PLAN.document()
    fact = Started(
        rollout=PLAN.id, at=1.0, plan=document, digest=PLAN.digest, total=100, controller="t"
    )
    journal = open_journal(path)
    with journal.lock():
        journal.append([fact], 0)
    journal.close()
    assert has_decision(path, f"{PLAN.id}/1") is True
    assert has_decision(path, f"{PLAN.id}/2") is False
    assert has_decision(path, "other-1a2b3c4d/1") is False
    assert has_decision(path, "theirs") is None


@pytest.mark.parametrize(("canary", "level"), [(0, "warn"), (25, "ok"), (100, "warn")])
def test_a_weight_that_others_gave_is_no_obstacle_to_observing(canary, level):
    status = RouteStatus(Split(canary), "flagger")
    finding = of_weight(plan(authority="observe"), status, lambda _: None)
    assert finding.level == level


def test_observing_needs_no_right_to_write():
    route = {"istio": {"virtualService": "a", "destinationRule": "a"}}
    rights = of_route(plan(authority="observe", route=route))
    assert {right.verb for right in rights} == {"get"}
    rights = of_route(plan(authority="abort-only", route=route))
    assert "patch" in {right.verb for right in rights}
