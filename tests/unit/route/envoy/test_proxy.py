"""The local Envoy's door: which clusters, which spelling of the file, which answers it refuses."""

import copy
import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
import yaml

from rollout.decide.record.split import Split
from rollout.errors import RouteError, StaleError
from rollout.plan.model.plan import Plan
from rollout.route.envoy.notes import write_notes
from rollout.route.envoy.proxy import EnvoyRouter, against, arms_of
from rollout.route.fence import FencedFiles
from rollout.route.manifest import Json
from tests.support.mesh_routers import router_over

ROUTES = {
    "version_info": "old",
    "resources": [
        {
            "name": "s",
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [
                        {
                            "match": {"prefix": "/"},
                            "route": {
                                "timeout": "30s",
                                "weighted_clusters": {"clusters": [{"name": "s-v1", "weight": 1}]},
                            },
                        }
                    ],
                }
            ],
        }
    ],
}


def plan(file="rds.json", admin="http://127.0.0.1:9", **envoy):
    guardrail = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "1%"}}
    return Plan.model_validate(
        {
            "apiVersion": "surefoot.dev/v1alpha1",
            "kind": "RolloutPlan",
            "metadata": {"name": "s-v2"},
            "spec": {
                "service": "s",
                "stable": {"version": "v1"},
                "canary": {"version": "v2"},
                "route": {"envoy": {"file": str(file), "admin": admin, **envoy}},
                "ramp": {"steps": ["5%"], "bake": "8s"},
                "guardrails": [guardrail],
            },
        }
    )


@pytest.fixture
def admin():
    """An admin interface that gives every path the same answer: `.says` is (status, text)."""

    class AdminHandler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, text = server.says
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    class AdminServer(HTTPServer):
        says = (200, "")

    with AdminServer(("127.0.0.1", 0), AdminHandler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_clusters_are_named_by_the_plan_or_by_service_and_version():
    assert arms_of(plan()).canary == "s-v2"
    named = arms_of(plan(clusters={"stable": "blue", "canary": "green"}))
    assert (named.stable, named.canary) == ("blue", "green")


def test_a_yaml_file_stays_yaml(tmp_path):
    file = tmp_path / "rds.yaml"
    file.write_text(yaml.safe_dump(ROUTES))
    EnvoyRouter().write(plan(file), Split(0), "m")
    text = file.read_text()
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)
    written = yaml.safe_load(text)
    assert written["version_info"] == "m"
    assert [*written["resources"][0]] == ["name", "virtual_hosts", "metadata"]


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        ((200, "no json"), "gave no JSON"),
        ((200, "[]"), "gave no JSON object"),
        ((503, "overloaded"), "said 503: overloaded"),
        ((200, "{}"), "no route configuration named s"),
    ],
)
def test_an_answer_that_is_no_receipt_is_refused(admin, tmp_path, says, reason):
    file = tmp_path / "rds.json"
    file.write_text(json.dumps(ROUTES))
    admin.says = says
    with pytest.raises(RouteError, match=reason) as caught:
        EnvoyRouter().read(plan(file, f"http://127.0.0.1:{admin.server_port}/"), 100)
    assert caught.value.unread


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "cannot read file"),
        ("{half", "cannot parse file"),
        ("[]", "holds no object"),
        (json.dumps(ROUTES), "does not answer"),
    ],
)
def test_a_file_or_an_envoy_that_cannot_be_asked_tells_nothing(tmp_path, text, reason):
    file = tmp_path / "rds.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(RouteError, match=reason) as caught:
        EnvoyRouter().read(plan(file), 100)
    assert caught.value.unread


@pytest.mark.parametrize("text", ["password: s3cret: more", "- !s3cret 1", '"s3cret', "a: *s3cret"])
@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_a_file_that_is_no_route_file_is_not_quoted(tmp_path, text, suffix):
    """A plan may name any file that the controller can read, and its author reads our words."""
    file = tmp_path / f"secrets.{suffix}"
    file.write_text(text)
    with pytest.raises(RouteError, match=f"cannot parse file .*{suffix}") as caught:
        EnvoyRouter().read(plan(file), 100)
    assert "s3cret" not in str(caught.value)


def test_a_file_that_may_not_be_replaced_is_said(tmp_path, monkeypatch):
    file = tmp_path / "rds.json"
    file.write_text(json.dumps(ROUTES))

    def refuse(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    with pytest.raises(RouteError, match=r"cannot write file .*: Read-only file system"):
        EnvoyRouter().write(plan(file), Split(0), "m")


def test_a_stale_controller_replaces_no_file(tmp_path):
    file = tmp_path / "rds.json"
    file.write_text(json.dumps(ROUTES))

    def fence():
        raise StaleError("two took over")

    router = router_over(EnvoyRouter(FencedFiles(fence).replace))
    with pytest.raises(StaleError, match=r"^0% canary \(decision r-1/7\) refused: two took over"):
        router.write(plan(file), Split(0), "r-1/7")
    assert json.loads(file.read_text()) == ROUTES


def list_clusters(*endpoints):
    return "\n".join(
        f"{cluster}::default_priority::max_connections::1024\n{cluster}::{at}::health_flags::healthy"
        for cluster, at in endpoints
    )


@pytest.mark.parametrize(
    ("canary", "problem"),
    [
        ("127.0.0.1:8082", ""),
        ("[::1]:8081", ""),
        ("127.0.0.1:8081", "clusters s-v1 and s-v2 both lead to 127.0.0.1:8081"),
    ],
)
def test_two_clusters_of_one_endpoint_are_no_two_versions(admin, tmp_path, canary, problem):
    file = tmp_path / "rds.json"
    file.write_text(json.dumps(ROUTES))
    admin.says = (
        200,
        list_clusters(("s-v1", "127.0.0.1:8081"), ("s-v2", canary), ("s-v22", "10.0.0.1:80")),
    )
    assert against(plan(file, f"http://127.0.0.1:{admin.server_port}")) == problem


def test_a_file_that_cannot_carry_the_canary_s_weight_is_told(admin, tmp_path):
    twice = json.loads(json.dumps(ROUTES))
    route = twice["resources"][0]["virtual_hosts"][0]["routes"][0]["route"]
    route["weighted_clusters"]["clusters"] *= 2
    file = tmp_path / "rds.json"
    file.write_text(json.dumps(twice))
    admin.says = (200, list_clusters(("s-v1", "127.0.0.1:8081"), ("s-v2", "127.0.0.1:8082")))
    problem = against(plan(file, f"http://127.0.0.1:{admin.server_port}"))
    assert problem.endswith("names s-v1 twice")
    assert json.loads(file.read_text()) == twice


@pytest.mark.parametrize(
    ("version", "marks", "write_id"),
    [
        ("q-1/4", {"s": "r-1/3", "t": "q-1/4"}, "r-1/3"),
        ("q-1/4", {"t": "q-1/4"}, ""),
        ("r-1/3", {"t": "q-1/4"}, "r-1/3"),
        ("by hand", {}, "by hand"),
    ],
)
def test_the_version_of_another_service_in_one_file_is_no_write_of_ours(
    admin, tmp_path, version, marks, write_id
):
    routes: Json = copy.deepcopy(ROUTES) | {"version_info": version}
    (config,) = routes["resources"]
    for service, mark in marks.items():
        write_notes(config, service, {"mark": mark})
    file = tmp_path / "rds.json"
    file.write_text(json.dumps(routes))
    configs = [{"version_info": version, "route_config": config}]
    admin.says = (200, json.dumps({"configs": configs}))
    status = EnvoyRouter().read(plan(file, f"http://127.0.0.1:{admin.server_port}/"), 100)
    assert (status.write_id, status.is_noted) == (write_id, "s" in marks)
