"""Each plan goes to its own mesh's router, which is made when it is needed."""

import pytest

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.route.by_mesh import ByMesh
from rollout.simulate import MemoryRouter
from rollout.wire.meshes import router as wired
from tests.support.routes import gateway, istio


def test_each_plan_goes_to_its_own_router_made_once():
    asked_meshes = []

    def maker(mesh):
        def make():
            asked_meshes.append(mesh)
            return MemoryRouter(stuck=mesh == "gateway")

        return make

    router = ByMesh({mesh: maker(mesh) for mesh in ("istio", "gateway")})
    assert asked_meshes == []
    for number in range(2):
        router.write(istio(), Split(number), "m")
    assert asked_meshes == ["istio"]
    assert router.read(istio(), 100).split == Split(1)
    assert (router.diagnose(istio()), router.diagnose(gateway())) == ("", "it refuses the update")
    assert asked_meshes == ["istio", "gateway"]


def test_a_glance_is_for_meshes_that_are_watched():
    class WatchedRouter(MemoryRouter):
        def cached(self, plan, total):
            return self.read(plan, total)

    router = ByMesh({"istio": WatchedRouter, "gateway": MemoryRouter})
    router.write(istio(), Split(7), "m")
    assert router.cached(istio(), 100) == router.read(istio(), 100)
    assert router.cached(gateway(), 100) is None


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
    problem = "cannot get VirtualService ns/reviews: the API server does not answer: .*refused"
    with pytest.raises(RouteError, match=problem):
        wired().write(istio(), Split(5), "m")
