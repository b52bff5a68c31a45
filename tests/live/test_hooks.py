"""Hooks called over real HTTP: what is sent, what counts as answered, and what nobody waits for."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from rollout.decide.record.facts import HookAnswered
from rollout.ports import HookCall
from rollout.webhook import WebHooks
from tests.live.pipeline import until
from tests.support.worlds import BAD, Lab, plan

pytestmark = pytest.mark.live


@dataclass
class HookReceiver:
    """Answers /204, /302, /500 by their number, /held once it is let go, /drip never to an end."""

    url: str = ""
    let_go: threading.Event = field(default_factory=threading.Event)
    heard: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)


@pytest.fixture(scope="module")
def server():
    receiver = HookReceiver()

    class HookHandler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.heard.append((self.path, dict(self.headers), json.loads(body)))
            what = self.path.strip("/").partition("?")[0]
            if what == "held":
                receiver.let_go.wait(60)
            if what == "drip":
                while not receiver.let_go.wait(0.1):
                    self.wfile.write(b"H")
                return
            self.send_response(int(what) if what.isdigit() else 200)
            self.send_header("Location", f"{receiver.url}/204")
            self.end_headers()

        def log_message(self, *_):
            pass

        def handle(self):
            with suppress(OSError):  # whoever called went away
                super().handle()

    with _serving(HookHandler) as port:
        receiver.url = f"http://127.0.0.1:{port}"
        yield receiver
        receiver.let_go.set()


@contextmanager
def _serving(handler):
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        serving.daemon_threads = True
        thread = threading.Thread(target=serving.serve_forever, args=(0.05,))
        thread.start()
        yield serving.server_port
        serving.shutdown()
        thread.join()


def called(url: str, timeout: float = 5.0) -> str:
    """The problem of one call."""
    hooks = WebHooks(time.monotonic)
    hooks.call(HookCall("demo-1/tell/1", url, timeout, {"rollout": "demo-1"}))
    (reply,) = until(hooks.replies, "a reply")
    assert reply.key == "demo-1/tell/1"
    return reply.problem


def test_a_call_is_a_post_of_json_with_its_key(server):
    assert called(f"{server.url}/204") == ""
    path, headers, body = server.heard[-1]
    assert (path, body) == ("/204", {"rollout": "demo-1"})
    assert headers["Idempotency-Key"] == "demo-1/tell/1"
    assert headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("status", [302, 404, 500])
def test_everything_but_2xx_is_a_failure_and_no_redirect_is_followed(server, status):
    before = len(server.heard)
    assert called(f"{server.url}/{status}?token=secret") == f"HTTP {status}"
    assert len(server.heard) == before + 1


def test_a_slow_and_a_dripping_server_are_given_up(server):
    server.let_go.clear()
    for path in ("held?token=secret", "drip"):
        problem = called(f"{server.url}/{path}", timeout=0.2)
        assert problem == "no answer within 0.2s"


def test_nobody_there_is_told_without_the_address():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    problem = called(f"http://127.0.0.1:{port}/hook?token=secret")
    assert problem == "127.0.0.1 is not reachable"


def test_a_slow_hook_delays_no_tick(server):
    server.let_go.clear()
    hook = {"name": "tell", "when": "rolledBack", "url": f"{server.url}/held"}
    hooks = WebHooks(time.monotonic)
    rollout = Lab(BAD, plan=plan(hooks=[hook]), wrap=lambda ports: replace(ports, hooks=hooks))
    rollout.run()
    rollout.controller.tick()
    assert rollout.plan.id in rollout.controller.fleet.calls, "the tick ended before its hook"
    server.let_go.set()

    def answered():
        rollout.controller.tick()
        return rollout.plan.id not in rollout.controller.fleet.calls

    until(answered, "the hook's answer")
    (fact,) = (fact for fact in rollout.facts if isinstance(fact, HookAnswered))
    assert fact.problem == ""
    assert server.heard[-1][2]["action"] == "roll back"
