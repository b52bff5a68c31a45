"""Whatever an Envoy's admin port sends, and however slowly: an answer, or a refusal in words."""

import gzip
import json

import pytest

from rollout.errors import RouteError
from rollout.route.envoy import admin
from rollout.route.envoy.admin import SilentEnvoyError, read_dump
from rollout.route.envoy.proxy import EnvoyRouter, route_of
from tests.support.http_server import answer, drip, serving
from tests.support.worlds import plan


@pytest.mark.parametrize(
    "send",
    [
        answer(b"", "204 No Content"),
        answer(b"{}", "302 Found", "Location: /"),
        answer(b"[" * 100_000),
        answer(b'{"configs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        answer(b'{"configs": [{"version_info": ' + b"9" * 5_000 + b"}]}"),
        answer(b'{"configs": [null]}'),
        answer(b'{"configs": {"a": 1}}'),
        answer(b'{"configs": [{"route_config": []}]}'),
        answer(b'{"configs": [{"cluster": "x"}]}'),
        answer(gzip.compress(b"0" * 300_000_000), "200 OK", "Content-Encoding: gzip"),
        drip(b"x", 0.05),
        drip(b"x", 0.05, b"HTTP/1.1 200 OK\r\n\r\n"),
        drip(b"x" * 2**20, 0, b"HTTP/1.1 200 OK\r\n\r\n"),
    ],
)
def test_an_odd_answer_is_a_refusal(send, monkeypatch):
    monkeypatch.setattr(admin, "_TIMEOUT", 0.3)
    with serving(send) as host:
        route = route_of(plan(route={"envoy": {"file": "rds.json", "admin": f"http://{host}"}}))
        with pytest.raises(RouteError) as caught:
            read_dump(route, "dynamic_route_configs")
    assert caught.value.unread


def test_counters_of_any_length_are_read(monkeypatch, tmp_path):
    clusters = [{"name": name, "weight": 1} for name in ("summarizer-v1", "summarizer-v2")]
    routes = [{"match": {"prefix": "/"}, "route": {"weighted_clusters": {"clusters": clusters}}}]
    config = {"name": "s", "virtual_hosts": [{"name": "all", "routes": routes}]}
    file = tmp_path / "rds.json"
    file.write_text(json.dumps({"version_info": "new", "resources": [config]}))
    answers = {
        "/config_dump": json.dumps({"configs": [{"version_info": "old", "route_config": config}]}),
        "/clusters": "".join(f"{entry['name']}::\n" for entry in clusters),
        "/stats": f"http.x.rds.s.update_rejected: {'7' * 5_000}",
    }
    monkeypatch.setattr(admin, "ask", lambda _, path: answers[path.partition("?")[0]])
    route = {"envoy": {"file": str(file), "admin": "http://127.0.0.1:1"}}
    assert "update_rejected 777" in EnvoyRouter().diagnose(plan(route=route))


def test_an_envoy_that_does_not_answer_is_waited_for_once(monkeypatch):
    asked = []

    def ask(_route, path):
        asked.append(path)
        raise SilentEnvoyError("nothing within 2 s")

    monkeypatch.setattr(admin, "ask", ask)
    assert EnvoyRouter().endpoints(plan(), "canary") is None
    assert len(asked) == 1


def test_what_a_refusal_says_is_one_line():
    with serving(answer(b"no\n2026-01-01 promoted\r\n\x1b[2J", "500 Error")) as host:
        envoy = plan(route={"envoy": {"file": "r", "admin": f"http://{host}"}})
        with pytest.raises(RouteError, match="said 500: no 2026-01-01 promoted") as caught:
            admin.ask(route_of(envoy), "/clusters")
    assert str(caught.value).isprintable()
