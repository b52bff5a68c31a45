"""Whatever Envoy's files and answers hold: what was asked for is written, or refused in words."""

import copy
import json
from contextlib import suppress

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.plan.model.mesh.traffic import Traffic
from rollout.route.envoy import admin, watched
from rollout.route.envoy.proxy import EnvoyRouter, arms_of
from rollout.route.envoy.safety_net import past_net
from rollout.route.envoy.traffic import split_of
from rollout.route.policy.files import settled_clusters, settled_routes
from tests.support.foreign import CLUSTERS, COPIES, ENVOY, TRAFFIC
from tests.support.fuzzing import fuzz
from tests.support.worlds import plan

POLICY = {"timeout": "5s", "balance": {"method": "leastRequest"}}
FILE = {
    "resources": [
        {"name": f"summarizer-{v}", "type": "EDS", "connect_timeout": "1s", "lb_policy": "RANDOM"}
        for v in ("v1", "v2")
    ]
}
SPECS = [{}, {"traffic": TRAFFIC}, {"traffic": COPIES}]
SPLITS = [Split(0), Split(5), Split(100), Split(5, way="mirror"), Split(5, way="segment")]
CHECKED = {"cluster": {"name": "summarizer-v2", "health_checks": [{"timeout": "1s"}]}}
DUMP = {
    "configs": [
        {"route_config": ENVOY["resources"][0], "version_info": "x/1"},
        {"version_info": "1", **CHECKED},
    ]
}


def write_file(file, mutator, document):
    """Write a document, mangled, as JSON or YAML; sometimes only nearly as such."""
    text = mutator.to_json(document)
    is_spoilt = mutator.random.random() < 0.1
    file.write_bytes(mutator.spoil(text) if is_spoilt else text.encode("utf-8", "surrogatepass"))


def put(file, manifest):
    """Write what is written as the production code spells it; the disk is not what is tested."""
    file.write_text(watched._serialize(file, manifest))


def test_whatever_an_envoy_file_holds_is_read_or_refused(tmp_path, monkeypatch):
    def check(mutator):
        file = tmp_path / mutator.random.choice(["rds.json", "rds.json", "rds.json", "rds.yaml"])
        write_file(file, mutator, mutator.mangle(ENVOY))
        dump = json.dumps(mutator.mangle(DUMP))
        monkeypatch.setattr(admin, "ask", lambda _, path: CLUSTERS if path == "/clusters" else dump)
        route = {"envoy": {"file": str(file), "admin": "http://127.0.0.1:1"}}
        rollout = plan(route=route, **mutator.random.choice(SPECS))
        split = mutator.random.choice(SPLITS)
        before = file.read_bytes()
        router, arms = EnvoyRouter(put), arms_of(rollout)
        with suppress(RouteError):
            router.read(rollout, 100)
        assert isinstance(router.diagnose(rollout), str)
        assert router.endpoints(rollout, "canary") in {True, False, None}
        try:
            router.write(rollout, split, "x/2")
        except RouteError:
            assert file.read_bytes() == before
            return
        written = past_net(watched.load(file), arms)
        assert split_of(written, arms, 100, rollout.spec.traffic or Traffic()) == split

    fuzz("envoy-routes", 0.12, check)


def test_whatever_a_cluster_file_holds_is_settled_or_refused(tmp_path):
    route = {"envoy": {"file": "r", "clusterFile": "c", "admin": "http://127.0.0.1:1"}}
    rollout = plan(policy=POLICY, route=route)
    arms, policy = arms_of(rollout), rollout.spec.policy

    def check(mutator):
        for document, settle in ((FILE, settled_clusters), (ENVOY, settled_routes)):
            file = tmp_path / "cds.json"
            write_file(file, mutator, mutator.mangle(document))
            try:
                held = watched.load(file)
                settled = settle(held, arms, policy, adopt=mutator.random.random() < 0.5)
            except RouteError:
                continue
            once = copy.deepcopy(settled)
            with suppress(RouteError):
                assert settle(settled, arms, policy, adopt=False) == once
                settle(settled, arms, None, adopt=False)

    fuzz("envoy-policies", 0.06, check)
