"""A real VictoriaMetrics on a written past."""

from __future__ import annotations

import shutil
from contextlib import contextmanager

import requests

from rollout.demo.servers.process import Process, answers, free_ports


@contextmanager
def past_in_victoria(folder, samples):
    """A VictoriaMetrics that knows `samples`: metric name to [(labels, unix time, value)]."""
    binary = shutil.which("victoria-metrics")
    assert binary, "victoria-metrics is missing: run `apt-get install -y victoria-metrics`"
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    options = {
        "storageDataPath": folder / "victoria",
        "retentionPeriod": "100y",
        "httpListenAddr": url.removeprefix("http://"),
        "memory.allowedPercent": 10,
        "loggerLevel": "WARN",
    }
    command = [binary, *(f"-{name}={value}" for name, value in options.items())]
    with Process("victoria-metrics", command, folder / "victoria.log") as server:
        server.wait_until(lambda: answers(f"{url}/health"))
        lines = (
            f"{metric}{text} {value} {round(1000 * at)}"
            for metric, rows in samples.items()
            for text, at, value in rows
        )
        session = requests.Session()
        session.trust_env = False
        body = "\n".join(lines)
        session.post(f"{url}/api/v1/import/prometheus", data=body, timeout=10).raise_for_status()
        session.get(f"{url}/internal/force_flush", timeout=10).raise_for_status()
        session.close()
        yield url
