"""The three commands as real processes: start, talk, count alike, stop at once, crash as told."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import pytest
from aiohttp.test_utils import unused_port
from prometheus_client.parser import text_string_to_metric_families

direct = build_opener(ProxyHandler({}))


@contextmanager
def command(name, *options):
    started = subprocess.Popen(
        [sys.executable, "-m", f"rollout.demo.services.{name}", *map(str, options)]
    )
    try:
        yield started
    finally:
        started.kill()
        started.wait()


def await_health(port):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with direct.open(f"http://127.0.0.1:{port}/healthz", timeout=5):
                return
        except (URLError, ConnectionError):
            time.sleep(0.05)
    raise AssertionError("not healthy within 30 s")


def await_requests(url, count):
    deadline = time.monotonic() + 30
    while totals(url, "summarizer_requests_total", "code").total() < count:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def ends(started, seconds):
    started.send_signal(signal.SIGTERM)
    return started.wait(seconds)


def test_what_the_load_saw_is_what_the_service_and_the_evaluator_counted(tmp_path):
    port, other, counts = unused_port(), unused_port(), tmp_path / "counts.json"
    url, evaluator = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{other}"
    faults = ("--errors", 0.1, "--delay-ms", 5)
    with (
        command("service", "--version", "v2", "--port", port, *faults) as service,
        command("evaluator", "--port", other, "--share", 1, "--delay", 0) as judge,
    ):
        await_health(port)
        await_health(other)
        options = ("--url", url, "--evaluator", evaluator, "--seconds", 60, "--json", counts)
        with command("load", *options) as load:
            await_requests(url, 100)
            assert ends(load, 5) == 0
        load_report = json.loads(counts.read_text())
        requests_by_status = {row["status"]: row["requests"] for row in load_report["answers"]}
        assert requests_by_status[500] > 0
        assert {row["version"] for row in load_report["answers"]} == {"v2"}
        assert totals(url, "summarizer_requests_total", "code") == {
            str(status): count for status, count in requests_by_status.items()
        }
        scored = totals(evaluator, "gen_ai_evaluation_score_count", "model_version")
        assert scored == {"v2": requests_by_status[200]}
        assert (ends(service, 5), ends(judge, 5)) == (0, 0)


def totals(url, name, label):
    with direct.open(f"{url}/metrics", timeout=5) as page:
        families = text_string_to_metric_families(page.read().decode())
    label_totals: Counter[str] = Counter()
    for family in families:
        for sample in family.samples:
            if sample.name == name:
                label_totals[sample.labels[label]] += int(sample.value)
    return label_totals


def test_a_crashing_version_dies_unanswered_at_its_first_request():
    port = unused_port()
    with command("service", "--version", "v3", "--port", port, "--crash") as service:
        await_health(port)
        assert service.poll() is None
        with pytest.raises((URLError, ConnectionError)):
            direct.open(f"http://127.0.0.1:{port}/summarize/infection-malaria", timeout=5)
        assert service.wait(5) == 1
