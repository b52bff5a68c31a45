"""What an API server says, or does not say, in words; and lists that the informer can read."""

from __future__ import annotations

import gzip
import json

import pytest
from kubernetes.client import ApiClient
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import MaxRetryError, NewConnectionError

from rollout.errors import ClusterError, InputError
from rollout.kube import client as kube_client
from rollout.kube.client import Cluster, connect
from rollout.kube.informer import Informer, _listed
from rollout.kube.kinds import ROLLOUT_PLAN
from rollout.kube.refusals import refusal, silence
from tests.support.http_server import answer, drip, serving


def refuse(status, body):
    error = ApiException(status=status, reason="Forbidden")
    error.body = body
    return refusal(error)


def test_a_refusal_is_told_in_the_servers_words():
    error = refuse(403, json.dumps({"kind": "Status", "message": "nobody may not"}))
    assert (error.status, str(error)) == (403, "the API server said 403: nobody may not")


@pytest.mark.parametrize("body", [None, "", "<html>", "[]", "{}"])
def test_a_refusal_without_words_has_its_reason(body):
    assert str(refuse(403, body)) == "the API server said 403: Forbidden"


def test_a_refusal_at_length_is_cut_off():
    """A webhook's words go into entries and statuses."""
    error = ApiException(status=403, reason="Forbidden")
    error.body = json.dumps({"message": "denied: " + "x" * 3_000_000})
    assert len(str(refusal(error))) < 3_000


def test_silence_is_told_by_its_innermost_reason():
    refused = ConnectionRefusedError(111, "Connection refused")
    inner = NewConnectionError(None, "failed")  # type: ignore[arg-type]
    inner.__cause__ = refused
    error = silence(MaxRetryError(None, "/", inner))  # type: ignore[arg-type]
    assert (error.status, str(error)) == (0, "the API server does not answer: connection refused")


def test_without_a_kubeconfig_there_is_no_cluster(tmp_path, monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(InputError, match="no cluster"):
        connect()


class Core:
    def __init__(self, status):
        self.status = status

    def create_namespaced_event(self, *_, **__):
        raise ApiException(status=self.status, reason="no")


def test_an_event_that_is_there_already_was_told():
    cluster = Cluster(ApiClient())
    event = {"metadata": {"namespace": "ns"}}
    cluster._core = Core(409)
    cluster.tell(event)
    cluster._core = Core(403)
    with pytest.raises(ClusterError):
        cluster.tell(event)


def test_items_of_a_list_know_their_kind():
    head = {"apiVersion": "surefoot.dev/v1alpha1", "kind": "RolloutPlanList"}
    listed = _listed(head | {"metadata": {"resourceVersion": "7"}, "items": [{"spec": {}}]})
    assert listed.metadata.resource_version == "7"
    assert listed.items == [
        {"apiVersion": "surefoot.dev/v1alpha1", "kind": "RolloutPlan", "spec": {}}
    ]


@pytest.fixture
def informer():
    return Informer(ApiClient(), ROLLOUT_PLAN, None, lambda _: None)


@pytest.fixture
def waits(informer, monkeypatch):
    """How long the informer would have waited before each request."""
    pauses: list[float] = []
    monkeypatch.setattr(informer._over, "wait", pauses.append)
    return pauses


def test_requests_that_fail_are_spaced_out(informer, waits, monkeypatch):
    def away(_options):
        raise ApiException(status=503)

    monkeypatch.setattr(informer, "_send", away)
    for _ in range(12):
        with pytest.raises(ApiException):
            informer._ask()
    assert waits[:3] == [0.0, 0.2, 0.4]
    assert waits[-1] == 30.0


def test_a_watch_that_ends_at_once_is_no_busy_loop(informer, waits, monkeypatch):
    monkeypatch.setattr(informer, "_send", lambda _options: "a stream")
    for _ in range(5):
        informer._ask(watch=True)
    assert waits == [0.0, 0.2, 0.2, 0.2, 0.2]


def test_nothing_is_known_before_the_first_watch(informer, monkeypatch):
    empty = {"apiVersion": "g/v1", "kind": "PlanList", "metadata": {"resourceVersion": "1"}}
    monkeypatch.setattr(informer, "_send", lambda _options: empty | {"items": []})
    informer._ask()
    assert informer.list() is None
    informer._ask(watch=True)
    assert informer.list() == []


KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: here
clusters: [{{name: here, cluster: {{server: "http://{host}"}}}}]
users: [{{name: me, user: {{}}}}]
contexts: [{{name: here, context: {{cluster: here, user: me}}}}]
"""
JSON_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "send",
    [
        answer(b"", "204 No Content"),
        answer(b"", "304 Not Modified"),
        answer(b"[" * 100_000, "200 OK", "Content-Type: application/json"),
        answer(b"9" * 5_000, "200 OK", "Content-Type: application/json"),
        answer(b"\xff\xfe", "200 OK", "Content-Type: application/json"),
        answer(b'{"items": [{"x": "\\ud800"}]}', "200 OK", "Content-Type: application/json"),
        answer(b'{"a": [' + b"[]," * 9_000_000, "200 OK", "Content-Type: application/json"),
        answer(b'{"message": "no\\n2026: promoted\\u001b[2J"}', "403 Forbidden"),
        answer(gzip.compress(b"0" * 300_000_000), "200 OK", "Content-Encoding: gzip"),
        answer(b"{" * 100_000, "500 Internal Server Error", "Content-Type: application/json"),
        drip(b"x", 0.05),
        drip(b"x", 0.05, JSON_HEAD + b"\r\n"),
        drip(b"x", 0.05, JSON_HEAD + b"Content-Length: 99999\r\n\r\n"),
    ],
)
@pytest.mark.parametrize("method", ["get", "endpoint_slices", "service", "may"])
def test_an_odd_answer_is_an_error_in_words(send, method, tmp_path, monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr(kube_client, "_TIMEOUT", (0.3, 0.3))
    arguments = {
        "get": (ROLLOUT_PLAN, "ns", "demo"),
        "endpoint_slices": ("ns", "svc"),
        "service": ("ns", "svc"),
        "may": ("get", "", "pods", "ns", ""),
    }[method]
    with serving(send) as host:
        (tmp_path / "config").write_text(KUBECONFIG.format(host=host))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
        with pytest.raises(ClusterError, match="API server") as caught:
            getattr(connect(), method)(*arguments)
    assert str(caught.value).isprintable()
