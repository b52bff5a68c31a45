"""A real Prometheus scrapes a real `surefoot run`: our own metrics under their own names."""

from __future__ import annotations

import sys
from contextlib import closing
from urllib.request import ProxyHandler, build_opener

import pytest
import yaml

from rollout.demo.servers.process import Process, answers, free_ports
from rollout.demo.servers.start import start_prometheus
from rollout.journal.open import open_for_reading
from rollout.metrics.names import METRICS
from tests.live.pipeline import surefoot, until
from tests.support.scrapes import stored

pytestmark = pytest.mark.live
OPENER = build_opener(ProxyHandler({}))


def test_prometheus_reads_what_the_journal_says(net, tmp_path):
    port, ours = free_ports(2)
    url, journal = f"http://127.0.0.1:{ours}", tmp_path / "journal.db"
    document = net.plan.document()
    document["spec"] |= {"interval": "1s", "prometheus": {"scrape": "1s"}, "followWithin": "0s"}
    file = tmp_path / "plan.yaml"
    file.write_text(yaml.safe_dump(document))
    command = [sys.executable, "-m", "rollout.cli", "run", str(file), "--journal", str(journal)]
    targets = {"surefoot": f"{url}/metrics"}
    with (
        start_prometheus(tmp_path / "prometheus", port, targets) as prometheus,
        Process("surefoot", [*command, "--metrics", str(ours)], tmp_path / "run.log") as running,
    ):
        running.wait_until(lambda: answers(f"{url}/readyz"))
        assert answers(f"{url}/healthz")

        def phase(name):
            samples = stored(prometheus, f'surefoot_rollout_phase{{phase="{name}"}}')
            return bool(samples) and float(samples[0][1]) == 1

        until(lambda: phase("waiting"), "the first phase")
        assert surefoot("pause", net.plan.name, "--journal", journal).returncode == 0
        until(lambda: phase("paused"), "the pause in Prometheus")
        counted = stored(prometheus, 'surefoot_decisions_total{action="pause",reason="human"}')
        assert [value for _, value in counted] == ["1"]

        def counts_all():  # an entry may come between a scrape and a reading
            with closing(open_for_reading(journal)) as held:
                entries = len(held.read())
            return stored(prometheus, "surefoot_journal_entries_total")[0][1] == str(entries)

        until(counts_all, "every entry in Prometheus")
        names = {of["__name__"] for of, _ in stored(prometheus, '{__name__=~"surefoot_.*"}')}
        assert {name.removesuffix("_bucket") for name in names} >= {*METRICS} - {
            "surefoot_rollout_traffic_follows",
            "surefoot_rollout_would_act",
            "surefoot_tick_duration_seconds",
            "surefoot_guardrail_proof_evidence_ratio",
        }


def test_a_taken_port_starts_nothing(net, tmp_path):
    file, journal = tmp_path / "plan.yaml", tmp_path / "journal.db"
    file.write_text(yaml.safe_dump(net.plan.document()))
    taken = net.envoy.admin.rpartition(":")[2]
    done = surefoot("run", file, "--journal", journal, "--metrics", taken)
    assert (done.returncode, journal.exists()) == (2, False)
    assert f"cannot serve metrics at 127.0.0.1:{taken}: Address already in use" in done.stderr
