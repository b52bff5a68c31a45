"""What a rollout does with a route that is not as the plan says, before its first write."""

from dataclasses import dataclass, field, replace

import pytest

from rollout.decide.record.facts import HumanSaid
from rollout.decide.record.route_facts import Confirmed, Drifted, RouteRead
from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.ports import RouteStatus
from rollout.simulate import MemoryRouter
from tests.support.worlds import Lab, plan

FOREIGN = "other-1a2b3c4d/57"
WRONG = [Split(100), Split(99), Split(50), Split(10), Split(1), Split(30, 100, "segment")]


@dataclass
class Edited(MemoryRouter):
    """A mesh that somebody edits between our first decision to write and its write."""

    to: Split = field(default_factory=lambda: Split(50))
    lab: Lab | None = None
    is_edited: bool = False

    def read(self, plan, total, before=None):
        if self.lab is not None and self.lab.state.first_write and not self.is_edited:
            self.is_edited = True
            self.statuses[plan.id] = RouteStatus(self.to, "")
        return super().read(plan, total, before)


@dataclass
class Unequal(MemoryRouter):
    """A mesh in which one of the plan's routes gives the canary this share, and another nothing.

    With `lab`, somebody has made them so between our first decision to write and its write.
    """

    most: float = 0.4
    lab: Lab | None = None
    has_read: bool = False

    def read(self, plan, total, before=None):
        if self.most and (self.lab is None or self.lab.state.first_write or self.has_read):
            self.has_read = True
            raise RouteError("routes disagree: 40 % in r1, 0 % in r2", most=self.most)
        return super().read(plan, total, before)


def lab_at(split, write_id="", **spec):
    lab = Lab(plan=plan(**spec))
    lab.router.statuses[lab.plan.id] = RouteStatus(split, write_id)
    return lab


def reads(lab):
    return [fact for fact in lab.facts if isinstance(fact, RouteRead)]


def tell(lab, command):
    command_fact = HumanSaid(rollout=lab.plan.id, at=lab.clock.now(), command=command, actor="ada")
    lab.controller.note(command_fact)


@pytest.mark.parametrize("on_drift", ["pause", "revert", "adopt"])
@pytest.mark.parametrize("split", WRONG)
def test_a_route_that_is_not_at_stable_is_not_written(split, on_drift):
    lab = lab_at(split, FOREIGN, onDrift=on_drift)
    lab.run(60)
    assert lab.router.writes == []
    assert lab.actions == []
    assert lab.decisions[-1].reasons == ("not-at-stable",)
    assert lab.state.live == split
    assert not [fact for fact in lab.facts if isinstance(fact, Drifted)]
    assert len(reads(lab)) == 1, "the same is recorded once"


def test_the_sentence_has_the_live_numbers_the_writer_and_the_cure():
    route = {
        "gateway": {
            "httpRoute": "svc",
            "backends": {"stable": "svc-stable", "canary": "svc-canary"},
        }
    }
    sentence = run_at(Split(100), FOREIGN, route=route).decisions[-1].sentence
    assert "the route sends 100 % to svc-canary, which the plan calls the canary" in sentence
    assert "written by rollout other-1a2b3c4d (decision 57)" in sentence
    assert "swap the names svc-stable and svc-canary in spec.route" in sentence
    assert "move all traffic to svc-stable first" in sentence
    half = run_at(Split(50), route=route).decisions[-1].sentence
    assert "50 % to svc-canary, which the plan calls the canary and 50 % to svc-stable" in half
    assert "swap" not in half


def run_at(split, write_id="", seconds=10.0, **spec):
    lab = lab_at(split, write_id, **spec)
    lab.run(seconds)
    return lab


def test_it_begins_once_the_traffic_is_moved_back():
    lab = run_at(Split(50), seconds=60.0)
    assert lab.actions == []
    lab.router.statuses[lab.plan.id] = RouteStatus(Split(0), "")
    assert lab.run().phase == "promoted"
    assert lab.actions[0] == "advance"


def test_other_numbers_are_another_entry():
    lab = run_at(Split(50))
    lab.router.statuses[lab.plan.id] = RouteStatus(Split(60), "")
    lab.run(10)
    holds = [decided.sentence for decided in lab.decisions]
    assert len(holds) == 2
    assert "60 %" in holds[-1]


@pytest.mark.parametrize("command", [None, "promote"])
def test_routes_whose_shares_differ_are_not_at_stable(command):
    router = Unequal()
    lab = Lab(plan=plan(), router=router)
    lab.run(20)
    if command:
        tell(lab, command)
    lab.run(20)
    assert (router.writes, lab.actions) == ([], [])
    last = lab.decisions[-1]
    assert last.reasons == ("not-at-stable",)
    assert "routes disagree: 40 % in r1, 0 % in r2; nothing is written" in last.sentence
    assert "move all traffic to summarizer-v1 first, or name the routes" in last.sentence
    assert lab.state.live == Split(40), "what the mesh shows, not 0"
    assert len(reads(lab)) == 1, "the same is recorded once"
    router.most = 0.0
    assert lab.run().phase == "promoted"


def test_routes_that_become_unequal_right_before_the_first_write_are_not_overwritten():
    router = Unequal()
    lab = router.lab = Lab(plan=plan(), router=router)
    lab.run_until(lambda _: router.has_read)
    lab.run(20)
    assert router.writes == []
    assert [fact.split for fact in reads(lab) if fact.withdrawn] == [Split(40)]
    assert (lab.state.phase, lab.decisions[-1].reasons) == ("waiting", ("not-at-stable",))
    router.most = 0.0
    assert lab.run().phase == "promoted"


@pytest.mark.parametrize("policy", ["rollback", "pause"])
@pytest.mark.parametrize(
    ("mesh", "words"),
    [
        ({"down": "no answer"}, "cannot be read before the first write (no answer)"),
        ({"has_endpoints": False}, "the canary, has no ready endpoint"),
        ({}, "the route sends 50 % to summarizer-v2"),
    ],
)
def test_the_end_at_the_deadline_names_what_it_waited_for(mesh, words, policy):
    split = Split(0 if mesh else 50)
    lab = lab_at(split, whenInconclusive=policy, deadline="1m")
    for name, value in mesh.items():
        setattr(lab.router, name, value)
    lab.run_until(lambda state: state.phase in {"paused", "reverting", "rolled back"})
    sentence = lab.decisions[-1].sentence
    assert "no proof within the deadline" in sentence
    assert words in sentence


@pytest.mark.parametrize(
    ("policy", "phase"), [("rollback", "rolled back"), ("pause", "paused"), ("promote", "paused")]
)
def test_its_deadline_ends_it_without_a_write(policy, phase):
    lab = lab_at(Split(50), whenInconclusive=policy, deadline="1m")
    lab.run(200)
    assert lab.state.phase == phase
    assert lab.router.writes == []
    assert lab.router.read(lab.plan, 100).split == Split(50)
    if phase == "rolled back":
        assert "End the rollout of v2, nothing was written to the route" in (
            lab.decisions[-1].sentence
        )


@pytest.mark.parametrize("command", ["promote", "abort"])
def test_what_a_person_asks_for_writes_nothing_either(command):
    lab = run_at(Split(50))
    tell(lab, command)
    lab.run(10)
    assert lab.router.writes == []
    if command == "promote":
        assert lab.decisions[-1].reasons == ("not-at-stable",)
        assert lab.state.phase == "waiting"
    else:
        assert lab.state.phase == "rolled back"


def test_an_abort_before_the_first_write_ends_at_once_while_the_mesh_is_down():
    lab = Lab(plan=plan())
    lab.router.down = "the API server does not answer"
    lab.run(10)
    assert lab.decisions[-1].reasons == ("route-unread",)
    assert "the API server does not answer" in lab.decisions[-1].sentence
    tell(lab, "abort")
    lab.run(5)
    assert lab.state.phase == "rolled back"
    assert lab.router.writes == []


def test_a_route_that_cannot_be_read_is_not_written_and_waits():
    lab = Lab(plan=plan())
    lab.router.down = "the API server does not answer"
    lab.run(30)
    assert (lab.router.writes, lab.actions) == ([], [])
    lab.router.down = ""
    assert lab.run().phase == "promoted"


@pytest.mark.parametrize("command", [None, "promote"])
@pytest.mark.parametrize("split", [Split(95), Split(50)])
def test_an_edit_between_the_look_and_the_write_is_not_overwritten(split, command):
    router = Edited(to=split)
    lab = router.lab = Lab(plan=plan(), router=router)
    if command:
        tell(lab, command)
    lab.run_until(lambda state: router.is_edited)
    lab.run(20)
    assert lab.router.writes == []
    (withdrawn,) = [fact for fact in reads(lab) if fact.withdrawn]
    assert withdrawn.split == split
    assert lab.state.phase == "waiting"
    assert lab.decisions[-1].reasons == ("not-at-stable",)
    lab.router.statuses[lab.plan.id] = RouteStatus(Split(0), "")
    assert lab.run().phase == "promoted"


def test_a_first_write_that_was_only_refused_leaves_nothing_to_take_back():
    lab = Lab(plan=plan())
    lab.router.refusing = "may not patch"
    lab.run_until(lambda state: state.phase == "paused")
    tell(lab, "abort")
    lab.run(5)
    assert lab.state.phase == "rolled back"
    assert isinstance(lab.facts[-1], Confirmed)


def test_a_canary_without_endpoints_waits_and_begins_with_the_first():
    lab = Lab(plan=plan())
    lab.router.has_endpoints = False
    lab.run(30)
    assert (lab.router.writes, lab.actions) == ([], [])
    assert lab.decisions[-1].reasons == ("awaiting-endpoints",)
    assert "summarizer-v2, the canary, has no ready endpoint" in lab.decisions[-1].sentence
    lab.router.has_endpoints = True
    assert lab.run().phase == "promoted"
    assert "unknown whether" not in first_step(lab).sentence


def first_step(lab):
    return next(decided for decided in lab.decisions if decided.action == "advance")


def test_a_canary_that_scales_from_zero_begins_without_endpoints():
    lab = Lab(plan=plan(awaitEndpoints=False))
    lab.router.has_endpoints = False
    assert lab.run().phase == "promoted"
    assert "unknown whether" not in first_step(lab).sentence


def test_unknown_endpoints_are_named_in_the_first_step():
    lab = Lab(plan=plan())
    lab.router.has_endpoints = None
    assert lab.run().phase == "promoted"
    assert "unknown whether the canary has endpoints" in first_step(lab).sentence
    steps = [decided.sentence for decided in lab.decisions if decided.action == "advance"]
    assert "unknown whether" not in steps[1]


@pytest.mark.parametrize(
    "report", [{"conditions": ("gw has dropped a rule: Dropped",)}, {"owner": "Rollout reviews"}]
)
def test_a_step_waits_for_what_the_mesh_reports(report):
    lab = Lab(plan=plan())
    lab.run_until(lambda state: state.split.canary == 5)
    status = lab.router.statuses[lab.plan.id]
    lab.router.statuses[lab.plan.id] = replace(status, **report)
    lab.run(60)
    assert lab.actions == ["advance"]
    assert lab.decisions[-1].reasons == ("route-conditions",)
    (word,) = report.values()
    assert (word if isinstance(word, str) else word[0]) in lab.decisions[-1].sentence
    lab.router.statuses[lab.plan.id] = status
    assert lab.run().phase == "promoted"


def test_a_rollback_names_the_other_routes_that_lead_to_the_canary():
    lab = Lab(plan=plan(ramp={"steps": ["5%"], "bake": "1m"}))
    lab.run_until(lambda state: state.split.canary == 5 and not state.delivery.is_open)
    status = lab.router.statuses[lab.plan.id]
    pinned, strays = ("rule `testers`",), ("rule `vip`", "rule 4")
    lab.router.statuses[lab.plan.id] = replace(status, pinned=pinned, strays=strays)
    lab.run(10)
    assert (reads(lab)[-1].pinned, reads(lab)[-1].strays) == (pinned, strays)
    tell(lab, "abort")
    assert lab.run().phase == "rolled back"
    (sentence,) = [fact.sentence for fact in lab.decisions if fact.action == "roll back"]
    assert "also moved: rule `vip`, rule 4 (to v2 since our first write)" in sentence
    assert "not moved: rule `testers` (to v2 before our first write)" in sentence
    (entry,) = lab.journal.append([RouteRead(rollout="r", at=0.0)], lab.entries[-1].seq)
    recorded = entry.fact.model_dump(mode="json")
    assert not {"pinned", "strays"} & recorded.keys(), "as in journals of before"


def test_a_second_controller_of_one_plan_is_named():
    lab = Lab(plan=plan())
    lab.run_until(lambda state: state.split.canary == 5)
    mark = f"{lab.plan.id}/9999"
    lab.router.statuses[lab.plan.id] = RouteStatus(Split(5), mark)
    lab.run(60)
    assert lab.decisions[-1].reasons == ("route-conditions",)
    assert mark in lab.decisions[-1].sentence


def test_a_write_that_was_put_back_waits_for_a_person():
    lab = Lab(plan=plan(onDrift="revert"))
    lab.run_until(lambda state: state.split.canary == 25)
    lab.router.statuses[lab.plan.id] = RouteStatus(Split(5), "")
    lab.run(60)
    assert lab.state.split.canary == 25, "it is written again"
    assert lab.decisions[-1].reasons == ("route-conditions",)
    assert "somebody put the last write back" in lab.decisions[-1].sentence
    tell(lab, "resume")
    assert lab.run().phase == "promoted"


def test_another_edit_is_none_that_was_put_back():
    lab = Lab(plan=plan(onDrift="revert"))
    lab.run_until(lambda state: state.split.canary == 25)
    lab.router.statuses[lab.plan.id] = RouteStatus(Split(40), "")
    assert lab.run().phase == "promoted"


def test_an_unreadable_route_of_an_error_that_names_it():
    @dataclass
    class Wrong(MemoryRouter):
        def read(self, plan, total, before=None):
            raise RouteError("VirtualService clinic/svcc: there is no such object", absent=True)

    lab = Lab(plan=plan(deadline="1m"), router=Wrong())
    lab.run()
    assert lab.state.phase == "rolled back"
    assert lab.router.writes == []
    assert "svcc" in lab.decisions[0].sentence
