"""Whatever is applied, edited, deleted or killed: one rollout at a time, and a true status."""

from __future__ import annotations

import contextlib

from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from rollout.decide.record.facts import Decided, HumanSaid, Started
from rollout.errors import ClusterError
from tests.support.examples import draw_up_to
from tests.support.plans import Operated, resource

ACTIONS = st.lists(
    st.sampled_from(
        ["apply", "edit", "spoil", "delete", "restart", "blind", "sight", "lose", "find", "run"]
    ),
    min_size=3,
    max_size=14,
)


def lost(_name: str) -> None:
    raise ClusterError("connection refused")


def act(world: Operated, action: str) -> None:
    match action:
        case "apply":
            world.apply()
        case "edit":
            world.apply(deadline="10m")
        case "spoil":
            spoilt = resource(created=world.clock.now())
            spoilt["spec"]["ramp"]["steps"] = ["5%", "1%"]
            world.cluster.apply(spoilt)
        case "delete":
            world.cluster.held.clear()
        case "restart":
            world.restart()
        case "blind" | "sight":
            world.cluster.has_resource = action == "sight"
        case "lose" | "find":
            world.cluster.fail = lost if action == "lose" else lambda _name: None


def run(world: Operated, ticks: int) -> None:
    for _ in range(ticks):
        world.operator.tick()
        for work in (world.operator.deletions.check, world.outbox.publish):
            with contextlib.suppress(ClusterError):
                work(world.cluster, world.clock.now())
        active = [rollout for rollout, state in world.states.items() if not state.is_terminal]
        assert len(active) <= 1
        world.clock.sleep(0.5)


@draw_up_to(40, suppress_health_check=[HealthCheck.too_slow])
@given(ACTIONS)
def test_once_the_faults_are_over_everything_is_as_it_should_be(actions):
    world = Operated()
    for action in actions:
        act(world, action)
        run(world, 6)
    for action in ("sight", "find"):
        act(world, action)
    run(world, 80)
    _shows_the_truth(world)
    _aborts_only_what_was_deleted(world, actions)


def _shows_the_truth(world: Operated) -> None:
    for held in world.cluster.held.values():
        status = held["status"]
        assert status["observedGeneration"] == held["metadata"]["generation"]
        if "rollout" in status:
            state = world.states[status["rollout"]]
            assert status["phase"] == state.phase
            assert status["weight"] == f"{state.split.share * 100:.4g}%"
            entry = world.journal.read()[status["journal"]["entry"] - 1]
            assert entry.hash == status["journal"]["hash"]
    if not world.cluster.held:
        assert all(state.is_terminal for state in world.states.values())


def _aborts_only_what_was_deleted(world: Operated, actions: list[str]) -> None:
    facts = [entry.fact for entry in world.journal.read()]
    commands = [fact for fact in facts if isinstance(fact, HumanSaid)]
    assert len(commands) <= actions.count("delete")
    assert len({fact.rollout for fact in commands}) == len(commands)
    begun = {fact.rollout for fact in facts if isinstance(fact, Started)}
    assert len(begun) <= 2
    decided = [fact for fact in facts if isinstance(fact, Decided) and fact.action == "roll back"]
    assert all("human:abort" in fact.reasons for fact in decided)
