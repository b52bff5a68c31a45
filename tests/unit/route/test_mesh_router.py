"""One router for all meshes: what it opens, and the order of what it writes."""

from dataclasses import dataclass, field

import pytest

from rollout.decide.record.split import Split
from rollout.errors import RouteError, StaleError
from rollout.ports import RouteStatus
from rollout.route.mesh_router import MeshAccess, MeshRouter
from rollout.route.policy.store import due_policy
from rollout.simulate import MemoryRouter
from rollout.wire.meshes import router as wired
from tests.support.mesh_routers import router_over
from tests.support.policies import plan as policed
from tests.support.routes import gateway, istio

PLAN = policed({"outliers": {}})


@dataclass
class PolicedMesh(MemoryRouter):
    """A mesh and the store of its policies in one, which notes what was asked of it in order."""

    events: list[object] = field(default_factory=list)
    stubborn: bool = False

    def write(self, plan, split, write_id, before=None, *, is_last=False):
        self.events.append(split.canary)
        super().write(plan, split, write_id, before, is_last=is_last)

    def apply(self, plan, policy):
        self.events.append("policy" if policy else "no policy")
        if self.stubborn:
            raise RouteError("the policy is refused")

    def difference(self, plan, policy):
        if self.stubborn:
            raise RouteError("the policy cannot be read")
        return "other" if policy else ""


@pytest.fixture
def mesh():
    return PolicedMesh()


def test_before_the_first_traffic_and_after_the_last(mesh):
    router = router_over(mesh, mesh)
    for canary in (5, 100, 0):
        router.write(PLAN, Split(canary), "m")
    assert mesh.events == ["policy", 5, "policy", 100, 0, "no policy"]


def test_a_policy_that_is_refused_holds_the_traffic_and_no_rollback(mesh):
    mesh.stubborn, router = True, router_over(mesh, mesh)
    with pytest.raises(RouteError, match="is refused"):
        router.write(PLAN, Split(5), "m")
    assert mesh.events == ["policy"]
    with pytest.raises(RouteError, match="is refused"):
        router.write(PLAN, Split(0), "back")
    assert mesh.events == ["policy", 0, "no policy"]
    assert router.read(PLAN, 100) == RouteStatus(Split(0), "back", "the policy cannot be read")


def test_a_policy_that_cannot_be_read_is_told_while_the_canary_has_traffic(mesh):
    router = router_over(mesh, mesh)
    router.write(PLAN, Split(5), "m")
    assert router.read(PLAN, 100) == RouteStatus(Split(5), "m", "other")
    mesh.stubborn = True
    with pytest.raises(RouteError, match="cannot be read"):
        router.read(PLAN, 100)


def test_a_plan_without_a_policy_is_not_asked_for_one(mesh):
    router, bare = router_over(mesh, mesh), policed(None)
    router.write(bare, Split(5), "m")
    router.write(bare, Split(0), "back")
    assert mesh.events == ["no policy", 5, 0]  # what an earlier plan left goes before the traffic
    mesh.stubborn = True
    assert router.read(bare, 100) == RouteStatus(Split(0), "back")


def test_at_full_weight_there_is_no_stable_to_fall_back_to():
    policy = PLAN.spec.policy.model_copy(update={"fallback": True})
    netted = PLAN.model_copy(update={"spec": PLAN.spec.model_copy(update={"policy": policy})})
    assert due_policy(netted, Split(50)) == policy
    assert due_policy(netted, Split(100)) == PLAN.spec.policy
    assert due_policy(netted, Split(0)) is None


def test_each_mesh_is_opened_once_and_only_for_a_plan_that_routes_there():
    opened = []

    def opener(mesh):
        def open_mesh():
            opened.append(mesh)
            return MeshAccess(MemoryRouter(stuck=mesh == "gateway"))

        return open_mesh

    router = MeshRouter({mesh: opener(mesh) for mesh in ("istio", "gateway")})
    assert opened == []
    for number in range(2):
        router.write(istio(), Split(number), "m")
    assert opened == ["istio"]
    assert router.read(istio(), 100).split == Split(1)
    assert (router.diagnose(istio()), router.diagnose(gateway())) == ("", "it refuses the update")
    assert opened == ["istio", "gateway"]


def test_a_stale_controller_confirms_nothing_even_where_nothing_would_change():
    """It would find what its successor has written, and record that as its own."""

    def fence() -> None:
        raise StaleError("two took over")

    weights = MemoryRouter()
    router = MeshRouter({"istio": lambda: MeshAccess(weights)}, fence)
    with pytest.raises(StaleError, match="two took over"):
        router.write(istio(), Split(0), "r-1/7")
    assert weights.writes == []
    assert router.read(istio(), 100).split == Split(0)


def test_a_watch_s_cache_is_read_for_plans_without_a_policy():
    class Watched(MemoryRouter):
        def cached(self, plan, total, before=None):
            return self.read(plan, total)

    router, bare = router_over(Watched()), policed(None)
    router.write(bare, Split(7), "m")
    assert router.cached(bare, 100) == RouteStatus(Split(7), "m")
    assert router.cached(PLAN, 100) is None, "no watch covers policies"
    assert router_over(MemoryRouter()).cached(bare, 100) is None


@pytest.mark.parametrize("plan", [istio(), gateway()])
def test_without_a_cluster_a_plan_for_one_is_told_so_and_tried_again(plan, tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    router = wired()
    for _ in range(2):
        with pytest.raises(RouteError, match="no cluster: ") as caught:
            router.read(plan, 100)
        assert caught.value.unread


def test_an_api_server_that_is_away_is_said_with_the_object(tmp_path, monkeypatch):
    config = tmp_path / "config"
    config.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
        "clusters: [{name: k, cluster: {server: 'http://127.0.0.1:9'}}]\n"
        "users: [{name: u, user: {}}]\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"
    )
    monkeypatch.setenv("KUBECONFIG", str(config))
    message = "cannot get VirtualService ns/reviews: the API server does not answer: .*refused"
    with pytest.raises(RouteError, match=message):
        wired().write(istio(), Split(5), "m")
