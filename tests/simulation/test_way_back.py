"""Every rollback ends: at once where nothing was written, and where nothing is given any more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollout.decide.fold import fold_all
from rollout.decide.record.facts import HumanSaid
from rollout.decide.record.route_facts import Confirmed, Drifted, RouteFailed
from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.explain.entry import sentence
from rollout.ports import RouteStatus
from rollout.simulate import MemoryRouter
from tests.support.worlds import Lab, plan

ISTIO = {"istio": {"virtualService": "demo"}}
ENVOY = {"envoy": {"file": "rds.json", "admin": "http://127.0.0.1:9901"}}
GONE = "VirtualService ns/demo: there is no such object"


class Faulty(MemoryRouter):
    """A mesh whose object is gone, or may be read and not written, or is not reached at all."""

    lost = False
    breaks = ""  # the mesh goes away while it is written
    attempts = 0

    def read(self, plan, total, before=None):
        if self.lost:
            raise RouteError(GONE, refused=True, absent=True, gives_nothing=True)
        return super().read(plan, total, before)

    def write(self, plan, split, mark, before=None, *, is_last=False):
        self.attempts += 1
        self.down = self.breaks or self.down
        if self.lost:
            raise RouteError(GONE, refused=True, absent=True, gives_nothing=True)
        super().write(plan, split, mark, before, is_last=is_last)


def lab(**spec):
    return Lab(plan=plan(route=ISTIO, deadline="10h", **spec), router=Faulty())


def say(lab, command, reason=""):
    fact = HumanSaid(
        rollout=lab.plan.id, at=lab.clock.now(), command=command, actor="ana", reason=reason
    )
    lab.journal.append([fact], lab.entries[-1].seq)


def at_five(lab):
    lab.run_until(lambda state: state.split.canary == 5 and not state.delivery.is_open)
    return lab


def failures(lab):
    return [fact for fact in lab.facts if isinstance(fact, RouteFailed)]


@pytest.mark.parametrize("fault", ["lost", "refusing"])
def test_a_rollback_of_what_was_never_written_ends_at_once_and_writes_nothing(fault):
    rollout = lab()
    setattr(rollout.router, fault, "may not patch it" if fault == "refusing" else True)
    rollout.run(60)
    # What cannot be read is not written; what refuses the first write pauses.
    assert rollout.state.phase == ("paused" if fault == "refusing" else "waiting")
    rollout.router.attempts = 0
    say(rollout, "abort")
    rollout.run(2)
    assert (rollout.state.phase, rollout.router.attempts) == ("rolled back", 0)
    assert rollout.state == fold_all((entry.seq, entry.fact) for entry in rollout.entries)


def test_a_policy_may_be_there_before_weights_that_were_refused_and_is_taken_back():
    policy = {"retries": {"attempts": 1}}
    rollout = lab(policy=policy)
    rollout.router.refusing = "may not patch it"
    rollout.run_until(lambda state: state.phase == "paused")
    rollout.router.refusing, rollout.router.attempts = "", 0
    say(rollout, "abort")
    rollout.run(2)
    assert (rollout.state.phase, rollout.router.attempts) == ("rolled back", 1)


def test_a_write_of_unknown_outcome_is_read_back_first_and_stays_open_while_it_cannot_be():
    rollout = lab()
    rollout.router.breaks = "the API server does not answer"
    rollout.run_until(lambda state: bool(state.delivery.attempts))
    rollout.router.breaks = ""
    say(rollout, "abort")
    rollout.run(60)
    assert rollout.state.phase == "reverting"
    rollout.router.down = ""
    rollout.run(10)
    assert rollout.state.phase == "rolled back"
    assert rollout.router.statuses[rollout.plan.id].split == Split(0)


def test_a_rollback_ends_where_the_object_is_gone():
    rollout = at_five(lab())
    rollout.router.lost = True
    say(rollout, "abort")
    rollout.run(5)
    assert rollout.state.phase == "rolled back"


@pytest.mark.parametrize("route", [ISTIO, ENVOY], ids=["istio", "envoy"])
def test_a_rollback_ends_where_others_took_the_canary_s_traffic_and_the_right_to_write(route):
    rollout = at_five(Lab(plan=plan(route=route, deadline="10h"), router=Faulty()))
    rollout.router.refusing = "may not patch it"
    say(rollout, "abort")
    rollout.run(30)
    assert rollout.state.phase == "reverting", "5 % is still there"
    rollout.router.statuses[rollout.plan.id] = RouteStatus(Split(0), "by hand", is_pending=True)
    rollout.run(30)
    assert rollout.state.phase == "reverting", "the file may yet give it some"
    rollout.router.statuses[rollout.plan.id] = RouteStatus(Split(0), "by hand")
    rollout.run(10)
    assert rollout.state.phase == "rolled back"


def test_a_failed_attempt_is_an_entry_when_its_reason_is_new():
    rollout = at_five(lab())
    rollout.router.refusing = "may not patch it"
    say(rollout, "abort")
    rollout.run(120)
    assert [fact.problem for fact in failures(rollout)] == ["may not patch it"]
    rollout.router.refusing = "a webhook says no"
    rollout.run(60)
    problems = ["may not patch it", "a webhook says no"]
    assert [fact.problem for fact in failures(rollout)] == problems
    assert rollout.router.attempts > 20
    rollout.router.refusing = ""
    rollout.run(10)
    assert rollout.state.phase == "rolled back"


@pytest.mark.parametrize("command", [None, "promote", "abort"])
@pytest.mark.parametrize("problems", [["no answer"], ["no answer", "503, after 4.1 s"]])
def test_it_is_so_for_every_decision_over_a_restart_and_for_reasons_that_take_turns(
    command, problems
):
    rollout = at_five(lab())
    if command:
        say(rollout, command)
    for turn in range(120):
        rollout.router.down = problems[turn % len(problems)].replace("4.1", f"{turn}.7")
        rollout.run(1)
        if turn == 60:
            rollout.restart()
    assert 1 <= len(failures(rollout)) <= 2 * len(problems)
    rollout.router.down = ""
    rollout.run_until(lambda state: not state.delivery.is_open)


@pytest.mark.parametrize("follow_within", ["0s", "1m"])
def test_a_policy_that_cannot_be_put_back_holds_no_rollback_up_and_is_said(follow_within):
    rollout = at_five(lab(policy={"retries": {"attempts": 1}}, followWithin=follow_within))

    def lose(status):
        return replace(status, policy="retries are 3, not 1") if not status.split.canary else status

    read, rollout.router.read = rollout.router.read, lambda *asked: lose(read(*asked))
    say(rollout, "abort")
    rollout.run(90)
    assert rollout.state.phase == "rolled back"
    (end,) = [fact for fact in rollout.facts if isinstance(fact, Confirmed) and fact.left]
    assert "not put back: retries are 3, not 1" in sentence(end)
    assert not [fact for fact in rollout.facts if isinstance(fact, Drifted)], "said once"


@pytest.mark.parametrize("first", ["abort", ""])
def test_where_the_mesh_cannot_be_reached_a_person_ends_it_by_name_and_on_record(first):
    rollout = at_five(lab())
    rollout.router.down = "the API server does not answer"
    if first:
        say(rollout, first)
        rollout.run(30)
        assert rollout.state.phase == "reverting"
    say(rollout, "abandon", "the cluster is gone")
    rollout.run(30)
    assert rollout.state.phase == "rolled back"
    (end,) = [fact for fact in rollout.facts if isinstance(fact, Confirmed) and fact.stable]
    assert (end.unreachable, end.stable) == (True, "v1")
    assert rollout.state == fold_all((entry.seq, entry.fact) for entry in rollout.entries)


def test_a_mesh_that_can_be_reached_is_written_whatever_a_person_says():
    rollout = at_five(lab())
    say(rollout, "abandon", "I think that it is gone")
    rollout.run(10)
    assert rollout.router.statuses[rollout.plan.id].split == Split(0)
    assert not any(isinstance(fact, Confirmed) and fact.unreachable for fact in rollout.facts)
