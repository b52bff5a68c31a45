"""The whole pipeline over a local Envoy's safety net: few errors for users, yet a rollback."""

import json

import pytest

from rollout.demo.servers.start import start_envoy
from tests.live.pipeline import SERVICE, STABLE, ControllerProcess, PipelineStage, until
from tests.live.record import Record

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]
NET = {"fallback": True, "outliers": {"consecutiveErrors": 5, "interval": "1s", "eject": "1s"}}


class NettedStage(PipelineStage):
    """A stage whose Envoy watches its clusters."""

    def start_envoy(self):
        clusters = {f"{SERVICE}-{version}": port for version, port in self._versions.items()}
        ports = self._listen, self._admin
        self.envoy = start_envoy(self.folder / "envoy", *ports, clusters, SERVICE, watched=True)

    def plan(self, canary, folder, **spec):
        route = {"file": str(self.envoy.file), "admin": self.envoy.admin}
        route["clusterFile"] = str(self.envoy.clusters)
        return super().plan(canary, folder, route={"envoy": route}, policy=NET, **spec)


def test_a_canary_that_fails_outright_costs_few_errors_and_is_rolled_back_by_its_own(tmp_path):
    with NettedStage(tmp_path) as stage:
        stage.reset()
        before = json.loads(stage.envoy.clusters.read_text())
        plan = stage.plan("v2", tmp_path, ramp={"steps": ["10%", "50%"], "bake": "1m"})
        with ControllerProcess(plan) as run:
            record = Record(run.journal)
            until(lambda: record.has_scrape_after(0), "a first look")
            stage.traffic.flow()
            until(lambda: record.confirmed(10), "10 % confirmed by the mesh")
            until(lambda: stage.traffic.answers["v2", 200] > 60, "a canary that serves well")
            served = stage.traffic.answers.total()
            stage.traffic.fail["v2"] = 10**9
            assert run.ended() == 1
        stage.traffic.stop()
        assert record.actions == ["advance", "roll back"]
        assert run.weight == 0
        errors = sum(n for (_, status), n in stage.traffic.answers.items() if status >= 500)
        without_net = 0.1 * (stage.traffic.answers.total() - served)
        print(errors, without_net)
        assert 5 <= errors < 0.75 * without_net
        assert stage.traffic.answers[STABLE, 200] > 300
        assert json.loads(stage.envoy.clusters.read_text()) == before
