"""No secret of an access file is in a log, error, status, journal, finding or exception.

The server refuses every request, and repeats all that was sent to it.
"""

from __future__ import annotations

import io
import traceback
from contextlib import closing
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from rich.console import Console

from rollout.cli import surefoot
from rollout.cli.text.live import Follower
from rollout.errors import InputError, ObserveError
from rollout.journal.sql.store import open_journal
from rollout.observe.access.settings import PrometheusSettings
from rollout.plan.model.prometheus import PrometheusServer
from rollout.ports import Ports
from rollout.wire.prometheus import open_prometheus
from tests.support.answering import answering, refusal
from tests.support.commands import keep_apart
from tests.support.worlds import Lab, document_of, plan

SECRETS = ("t0ken-Alpha", "k3y-Beta", "p4ss-Gamma", "ZXZlOnA0c3MtR2FtbWE=")
ACCESSES = """
apiVersion: surefoot.dev/v1alpha1
kind: PrometheusAccess
accesses:
  - name: bearer
    servers: [URL]
    bearer: {token: t0ken-Alpha}
    headers: [{name: X-Key, valueFile: key}]
  - name: basic
    servers: [URL]
    basic: {username: eve, password: p4ss-Gamma}
"""


@pytest.fixture
def server():
    with answering(lambda sent: refusal(401, f"denied: {dict(sent.headers)}")) as running:
        yield running


@pytest.fixture
def access_file(server, tmp_path):
    (tmp_path / "key").write_text("k3y-Beta\n")
    path = tmp_path / "access.yaml"
    path.write_text(ACCESSES.replace("URL", server.url))
    return path


@pytest.fixture(params=["bearer", "basic"])
def spec(request, server):
    return {"prometheus": {"url": server.url, "access": request.param, "scrape": "1s"}}


@pytest.fixture(autouse=True)
def apart(monkeypatch, tmp_path):
    keep_apart(monkeypatch, tmp_path, "not in this test")


def check_hidden(text):
    assert not [secret for secret in SECRETS if secret.lower() in text.lower()]
    return text


def call(*words):
    result = CliRunner().invoke(surefoot, [*map(str, words)])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return check_hidden(result.output)


PODS: dict[str, Any] = {"pods": {"label": "pod", "history": "20m"}}


@pytest.mark.parametrize(
    "command", [["check"], ["doctor"], ["doctor", "--json"], ["rehearse", "--runs", "1"]]
)
def test_no_command_prints_them(command, spec, access_file, server, tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(document_of(**spec)))
    text = call(*command, "--access", access_file, path)
    assert command == ["check"] or "denied" in text
    assert command == ["check"] or server.sent


def test_a_calibration_tells_them_to_nobody(spec, access_file, tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(document_of(**spec, **PODS)))
    assert "denied" in call("calibrate", "--access", access_file, path)


def test_no_view_of_a_rollout_has_them(spec, access_file, tmp_path):
    path = tmp_path / "journal.db"
    settings = PrometheusSettings(access_file)
    observer = open_prometheus(settings)
    with closing(open_journal(path)) as journal:
        lab = Lab(
            plan=plan(**spec, whenBlind={"hold": "5s"}),
            journal=journal,
            wrap=lambda ports: Ports(observer, ports.router, ports.journal, ports.clock),
        )
        lab.run(10.0)
        facts = "".join(fact.model_dump_json() for fact in lab.facts)
        assert "denied" in facts
        check_hidden(facts)
        check_hidden(repr(lab.state) + str(lab.controller.ports) + repr(settings.accesses))
        follower, console = Follower(), Console(width=200, record=True, file=io.StringIO())
        for entry in lab.entries:
            follower.feed(entry)
        console.print(follower.render(lab.clock.now()))
        check_hidden(console.export_text())
    observer.close()
    number = next(entry.seq for entry in lab.entries if entry.fact.kind == "decided")
    for words in (["log", "--all"], ["log", "--json"], ["status"], ["status", "--json"]):
        assert call(*words, "--journal", path)
    call("why", number, "--journal", path)


def test_no_exception_has_them(spec, access_file):
    settings = PrometheusSettings(access_file)
    server = PrometheusServer(**{k: v for k, v in spec["prometheus"].items() if k != "scrape"})
    with pytest.raises(ObserveError) as refused:
        open_prometheus(settings).vector(server, "up")
    text = "".join(traceback.format_exception(refused.value))
    assert "denied" in check_hidden(text)


def test_a_default_server_with_another_access_is_refused(access_file):
    for server in ("http://elsewhere:9090,bearer", "http://elsewhere:9090,none"):
        words = ["check", "--access", access_file, "--prometheus", server, "manifests/examples"]
        assert "--prometheus" in call(*words)
    text = call("run", "--prometheus", "http://eve:p4ss-Gamma@h:9090", "plan.yaml")
    assert "a password stands in the access file" in text
    with pytest.raises(InputError, match="there is no access x"):
        _ = PrometheusSettings(access_file, PrometheusServer(url="http://h:1", access="x")).accesses
