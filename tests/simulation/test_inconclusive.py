"""No proof by the deadline, and the plan promotes then: never a canary without its traffic."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from rollout.decide.record.split import Split
from rollout.decide.step import step
from rollout.errors import RouteError
from rollout.simulate import MemoryRouter
from tests.support.states import delivering
from tests.support.worlds import GOOD, Lab, plan

NET = "no endpoint of summarizer-v2 serves: Envoy asks summarizer-v1 instead"
RATE = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "0.01%"}}


@dataclass
class NettedRouter(MemoryRouter):
    """A mesh with a safety net: `ejected`, stable answers the canary's share, as the proxy says.

    `gone`: without a net, as in Istio; the ejected canary's share is nobody's that we count.
    """

    ejected: bool = False
    gone: bool = False

    def read(self, plan, total, before=None):
        status = super().read(plan, total, before)
        if self.ejected and 0 < status.split.canary < total:
            raise RouteError(NET)
        return status

    def share(self, plan):
        return 0.0 if self.gone else super().share(plan)


def lab(**spec):
    """A lab at 50 % that proves nothing, as its margin asks for more traffic than there is."""
    held = {"hold": "1m", "then": "pause"}
    asked = {"deadline": "4m", "whenInconclusive": "promote", "whenBlind": held}
    rollout = Lab(plan=plan(guardrails=[RATE], **{**asked, **spec}), rate=20, router=NettedRouter())
    rollout.run_until(lambda state: state.split.canary == 50 and state.steady_at is not None)
    return rollout


def seconds(rollout):
    return rollout.clock.now() - rollout.begun


def test_a_canary_that_serves_is_promoted():
    rollout = lab()
    assert rollout.run(300).phase == "promoted"
    assert rollout.decisions[-1].reasons == ("inconclusive",)


def test_one_that_is_ejected_for_good_is_paused_and_it_says_why():
    rollout = lab()
    rollout.router.ejected = True
    assert rollout.run(400).phase == "paused"
    assert rollout.actions[-1:] == ["pause"]
    (pause,) = [decision for decision in rollout.decisions if decision.action == "pause"]
    assert pause.reasons == ("inconclusive", "not-promoted", "awaiting-mesh")
    assert NET in pause.sentence
    assert pause.at - rollout.begun == pytest.approx(240 + 60 + 8, abs=3)


@pytest.mark.parametrize("serves", range(0, 24, 2))
def test_one_that_serves_for_a_moment_now_and_then_is_not_promoted_in_it(serves):
    rollout = lab(deadline="80s")
    while rollout.state.phase not in {"paused", "promoted"}:
        rollout.router.ejected = not 0 <= seconds(rollout) % 24 - serves < 6
        rollout.run(0.5)
    assert rollout.state.phase == "paused"


def test_one_that_comes_back_in_time_is_promoted_after_a_bake():
    rollout = lab()
    rollout.router.ejected = True
    rollout.run(260 - seconds(rollout))
    rollout.router.ejected = False
    back = rollout.clock.now()
    assert rollout.run(40).phase == "promoted"
    assert rollout.decisions[-1].at - back >= 8
    assert rollout.decisions[-1].reasons == ("inconclusive",)


def test_harm_is_found_while_it_waits():
    rollout = lab()
    rollout.router.ejected = True
    rollout.run(250 - seconds(rollout))
    rollout.world.behaviours["v2"] = type(GOOD)(errors=0.5)
    assert rollout.run(50).phase in {"reverting", "rolled back"}


def test_one_whose_share_contradicts_its_weight_is_paused():
    rollout = lab()
    rollout.router.share = lambda _plan: 0.3
    assert rollout.run(400).phase == "paused"
    reasons = [decision.reasons for decision in rollout.decisions if decision.action == "pause"]
    assert reasons == [("inconclusive", "not-promoted", "exposure-mismatch")]


def test_one_that_falls_silent_after_a_long_agreement_is_known_within_looks():
    """The share's test would have to undo what agreed before; stable's requests tell at once."""
    rollout = lab(deadline="30m")
    rollout.run(1700 - seconds(rollout), period=2)
    rollout.router.gone = True
    rollout.run(12, period=2)
    retreat = next(decided for decided in rollout.decisions if decided.action == "retreat")
    assert (retreat.reasons, retreat.split.canary) == (("one-armed",), 0)
    assert rollout.run(400, period=2).phase == "paused"
    assert "promote" not in rollout.actions


def test_a_silence_of_both_is_none_of_the_canary():
    rollout = lab()
    rollout.world.rate = 0
    rollout.run(60)
    assert not [
        decision for decision in rollout.decisions if "nothing counted" in decision.sentence
    ]


def test_a_mesh_that_refuses_is_not_waited_for():
    rollout = lab()
    late = rollout.clock.now() - rollout.plan.spec.deadline
    refused = replace(delivering(rollout.state, status="to try again"), resumed_at=late)
    decided = step(refused, rollout.clock.now(), rollout.plan.id)
    assert decided is not None
    assert (decided.action, decided.reasons) == ("pause", ("route-refused",))


def test_an_outage_at_the_deadline_is_waited_for():
    rollout = lab()
    rollout.run(220 - seconds(rollout))
    rollout.router.down = "the API server does not answer"
    rollout.run(50)
    assert rollout.decisions[-1].reasons == ("inconclusive", "not-promoted", "awaiting-mesh")
    rollout.router.down = ""
    assert rollout.run(60).phase == "promoted"
    assert rollout.router.writes[-1][1] == Split(100)


def test_copies_come_before_it_too():
    copies = {"mirror": {"share": "50%", "lasts": "100s"}}
    rollout = Lab(plan=plan(traffic=copies, deadline="90s", whenInconclusive="promote"))
    rollout.run_until(lambda state: state.phase in {"promoting", "promoted"})
    ways = [(split.canary, split.way) for _, split, _ in rollout.router.writes]
    assert ways[:2] == [(50, "mirror"), (5, "weights")]
    assert rollout.decisions[-1].reasons == ("inconclusive",)
