"""No proof by the deadline, and the plan promotes then: never a canary without its traffic."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from rollout.decide.record.split import Split
from rollout.decide.step import step
from rollout.errors import RouteError
from rollout.simulate import MemoryRouter
from tests.support.worlds import GOOD, Lab, plan

NET = "no endpoint of summarizer-v2 serves: Envoy asks summarizer-v1 instead"
RATE = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "0.01%"}}


@dataclass
class Netted(MemoryRouter):
    """A mesh with a safety net: `ejected`, stable answers the canary's share, as the proxy says.

    `gone`: without a net, as in Istio; the ejected canary's share is nobody's that we count.
    """

    ejected: bool = False
    gone: bool = False

    def read(self, plan, total):
        seen = super().read(plan, total)
        if self.ejected and 0 < seen.split.canary < total:
            raise RouteError(NET)
        return seen

    def share(self, plan):
        return 0.0 if self.gone else super().share(plan)


def lab(**spec):
    """A lab at 50 % that proves nothing, as its margin asks for more traffic than there is."""
    held = {"hold": "1m", "then": "pause"}
    asked = {"deadline": "4m", "whenInconclusive": "promote", "whenBlind": held}
    made = Lab(plan=plan(guardrails=[RATE], **{**asked, **spec}), rate=20, router=Netted())
    made.run_until(lambda state: state.split.canary == 50 and state.steady_at is not None)
    return made


def seconds(made):
    return made.clock.now() - made.begun


def test_a_canary_that_serves_is_promoted():
    made = lab()
    assert made.run(300).phase == "promoted"
    assert made.decisions[-1].reasons == ("inconclusive",)


def test_one_that_is_ejected_for_good_is_paused_and_it_says_why():
    made = lab()
    made.router.ejected = True
    assert made.run(400).phase == "paused"
    assert made.actions[-1:] == ["pause"]
    (pause,) = [each for each in made.decisions if each.action == "pause"]
    assert pause.reasons == ("inconclusive", "not-promoted", "awaiting-mesh")
    assert NET in pause.sentence
    assert pause.at - made.begun == pytest.approx(240 + 60 + 8, abs=3)


@pytest.mark.parametrize("serves", range(0, 24, 2))
def test_one_that_serves_for_a_moment_now_and_then_is_not_promoted_in_it(serves):
    made = lab(deadline="80s")
    while made.state.phase not in {"paused", "promoted"}:
        made.router.ejected = not 0 <= seconds(made) % 24 - serves < 6
        made.run(0.5)
    assert made.state.phase == "paused"


def test_one_that_comes_back_in_time_is_promoted_after_a_bake():
    made = lab()
    made.router.ejected = True
    made.run(260 - seconds(made))
    made.router.ejected = False
    back = made.clock.now()
    assert made.run(40).phase == "promoted"
    assert made.decisions[-1].at - back >= 8
    assert made.decisions[-1].reasons == ("inconclusive",)


def test_harm_is_found_while_it_waits():
    made = lab()
    made.router.ejected = True
    made.run(250 - seconds(made))
    made.world.behaviours["v2"] = type(GOOD)(errors=0.5)
    assert made.run(50).phase in {"reverting", "rolled back"}


def test_one_whose_share_contradicts_its_weight_is_paused():
    made = lab()
    made.router.share = lambda _plan: 0.3
    assert made.run(400).phase == "paused"
    reasons = [each.reasons for each in made.decisions if each.action == "pause"]
    assert reasons == [("inconclusive", "not-promoted", "exposure-mismatch")]


def test_one_that_falls_silent_after_a_long_agreement_is_known_within_looks():
    """The share's test would have to undo what agreed before; stable's requests tell at once."""
    made = lab(deadline="30m")
    made.run(1700 - seconds(made), period=2)
    made.router.gone = True
    made.run(12, period=2)
    assert made.decisions[-1].reasons == ("blind:errors",)
    assert "nothing counted for v2 where about" in made.decisions[-1].sentence
    assert made.run(400, period=2).phase == "paused"
    assert "promote" not in made.actions


def test_a_silence_of_both_is_none_of_the_canary():
    made = lab()
    made.world.rate = 0
    made.run(60)
    assert not [each for each in made.decisions if "nothing counted" in each.sentence]


def test_a_mesh_that_refuses_is_not_waited_for():
    made = lab()
    late = made.clock.now() - made.plan.spec.deadline
    refused = replace(made.state, refused=True, awaiting=made.state.decision, resumed_at=late)
    decided = step(refused, made.clock.now(), made.plan.id)
    assert decided is not None
    assert (decided.action, decided.reasons) == ("pause", ("route-refused",))


def test_an_outage_at_the_deadline_is_waited_for():
    made = lab()
    made.run(220 - seconds(made))
    made.router.down = "the API server does not answer"
    made.run(50)
    assert made.decisions[-1].reasons == ("inconclusive", "not-promoted", "awaiting-mesh")
    made.router.down = ""
    assert made.run(60).phase == "promoted"
    assert made.router.writes[-1][1] == Split(100)


def test_copies_come_before_it_too():
    copies = {"mirror": {"share": "50%", "lasts": "100s"}}
    made = Lab(plan=plan(traffic=copies, deadline="90s", whenInconclusive="promote"))
    made.run_until(lambda state: state.phase in {"promoting", "promoted"})
    ways = [(split.canary, split.way) for _, split, _ in made.router.writes]
    assert ways[:2] == [(50, "mirror"), (5, "weights")]
    assert made.decisions[-1].reasons == ("inconclusive",)
