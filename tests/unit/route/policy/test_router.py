"""The order of policy and weights: policy first on the way in, weights first on the way out."""

from dataclasses import dataclass, field

import pytest

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.ports import RouteStatus
from rollout.route.envoy.safety_net import fallen
from rollout.route.envoy.weights import Arms
from rollout.route.policy.router import WithPolicy, due
from rollout.simulate import MemoryRouter
from tests.support.policies import plan

PLAN = plan({"outliers": {}})


@dataclass
class Keeping(MemoryRouter):
    """A mesh and its keeper in one, which notes what was asked of it in order."""

    events: list[object] = field(default_factory=list)
    stubborn: bool = False

    def write(self, plan, split, mark):
        self.events.append(split.canary)
        super().write(plan, split, mark)

    def settle(self, plan, policy):
        self.events.append("policy" if policy else "no policy")
        if self.stubborn:
            raise RouteError("the policy is refused")

    def differs(self, plan, policy):
        if self.stubborn:
            raise RouteError("the policy cannot be read")
        return "other" if policy else ""


@pytest.fixture
def mesh():
    return Keeping()


def test_before_the_first_traffic_and_after_the_last(mesh):
    router = WithPolicy(mesh, mesh)
    for canary in (5, 100, 0):
        router.write(PLAN, Split(canary), "m")
    assert mesh.events == ["policy", 5, "policy", 100, 0, "no policy"]


def test_a_policy_that_is_refused_holds_the_traffic_and_no_rollback(mesh):
    mesh.stubborn, router = True, WithPolicy(mesh, mesh)
    with pytest.raises(RouteError, match="is refused"):
        router.write(PLAN, Split(5), "m")
    assert mesh.events == ["policy"]
    with pytest.raises(RouteError, match="is refused"):
        router.write(PLAN, Split(0), "back")
    assert mesh.events == ["policy", 0, "no policy"]
    assert router.read(PLAN, 100) == RouteStatus(Split(0), "back", "the policy cannot be read")


def test_a_policy_that_cannot_be_read_is_told_while_the_canary_has_traffic(mesh):
    router = WithPolicy(mesh, mesh)
    router.write(PLAN, Split(5), "m")
    assert router.read(PLAN, 100) == RouteStatus(Split(5), "m", "other")
    mesh.stubborn = True
    with pytest.raises(RouteError, match="cannot be read"):
        router.read(PLAN, 100)


def test_a_plan_without_a_policy_is_not_asked_for_one(mesh):
    router, bare = WithPolicy(mesh, mesh), plan(None)
    router.write(bare, Split(5), "m")
    router.write(bare, Split(0), "back")
    assert mesh.events == ["no policy", 5, 0]  # what an earlier plan left goes before the traffic
    mesh.stubborn = True
    assert router.read(bare, 100) == RouteStatus(Split(0), "back")


def test_at_full_weight_there_is_no_stable_to_fall_back_to():
    policy = PLAN.spec.policy.model_copy(update={"fallback": True})
    netted = PLAN.model_copy(update={"spec": PLAN.spec.model_copy(update={"policy": policy})})
    assert due(netted, Split(50)) == policy
    assert due(netted, Split(100)) == PLAN.spec.policy
    assert due(netted, Split(0)) is None


@pytest.mark.parametrize(
    ("lines", "fell"),
    [
        ("c::127.0.0.1:1::health_flags::healthy", False),
        ("c::127.0.0.1:1::health_flags::/failed_outlier_check", True),
        ("c::a:1::health_flags::/failed_outlier_check\nc::b:1::health_flags::healthy", False),
        ("c::a:1::health_flags::/failed_active_hc\nc-shadow::b:1::health_flags::healthy", True),
        ("c::default_priority::max_connections::1024", True),
        ("s::a:1::health_flags::healthy", False),
    ],
)
def test_the_net_carries_the_canary_while_none_of_its_endpoints_serves(lines, fell):
    assert fallen(lines, Arms("s", "c", "c-shadow")) is fell
