"""Whatever the strategy and whatever is said: a rollback is final, copies are no exposure."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollout.decide.evidence.exposure import share_of_all
from rollout.decide.record.facts import HumanSaid
from rollout.decide.record.split import Split
from tests.support.worlds import BAD, GOOD, Behaviour, Lab, plan

RAMPS: list[dict[str, Any]] = [
    {"steps": ["5%", "50%"], "bake": "2s"},
    {"harmBudget": 10, "min": "1%", "max": "50%", "bake": "2s"},
    {"blueGreen": {"holdback": "10%"}, "bake": "2s"},
    {"blueGreen": {"before": "20s"}, "bake": "2s"},
]
SEGMENT = {"header": {"name": "x-team", "exact": "beta"}, "share": "20%"}
MIRROR = {"share": "50%", "lasts": "6s"}


@st.composite
def strategies(draw: st.DrawFn) -> dict[str, Any]:
    """A ramp, and traffic that it allows."""
    ramp = draw(st.sampled_from(RAMPS))
    traffic: dict[str, Any] = {}
    if draw(st.booleans()):
        traffic["mirror"] = MIRROR
    if draw(st.booleans()) and "before" not in ramp.get("blueGreen", {}):
        traffic["segment"] = SEGMENT
    return {"ramp": ramp, "traffic": traffic or None}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    strategy=strategies(),
    canary=st.sampled_from([GOOD, BAD, Behaviour(errors=1.0)]),
    copies_count=st.booleans(),
    commands_at=st.lists(
        st.tuples(st.integers(0, 80), st.sampled_from(["pause", "resume", "promote", "abort"])),
        max_size=3,
    ),
    seed=st.integers(0, 1000),
)
def test_a_rollback_is_final_and_copies_are_no_exposure(
    strategy, canary, copies_count, commands_at, seed
):
    lab = Lab(canary, plan=plan(**strategy), seed=seed, rate=50.0)
    lab.world.copies_count = copies_count
    for tick in range(100):
        for at, command in commands_at:
            if at == tick and not lab.state.is_terminal:
                who = {"command": command, "actor": "someone"}
                fact = HumanSaid(rollout=lab.plan.id, at=lab.clock.now(), **who)
                lab.journal.append([fact], lab.entries[-1].seq)
        lab.controller.tick()
        lab.clock.sleep(0.5)
        if lab.state.split.way == "mirror" and lab.state.wanted.way == "mirror":
            assert lab.state.first_canary_at is None
            assert lab.world.served.get("v2", 0) == 0
    decided = [fact.split for fact in lab.decisions]
    actions = [fact.action for fact in lab.decisions]
    back = actions.index("roll back") if "roll back" in actions else len(actions)
    assert set(decided[back:]) <= {Split(0, lab.state.total)}
    before = decided[:back]
    users = [share_of_all(lab.plan, split) or 0.0 for split in before]
    assert users == sorted(users), "the share of users never falls but by a rollback"
