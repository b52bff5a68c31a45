"""Pairs that a judge's exporter counts, through a real Prometheus to a decision."""

from __future__ import annotations

import time

import pytest

from rollout.decide.record.facts import Observed
from rollout.demo.servers.process import free_ports
from rollout.demo.servers.start import start_prometheus
from rollout.journal.memory import MemoryJournal
from rollout.observe.prometheus import PrometheusObserver
from rollout.ports import Ports
from rollout.simulate import MemoryRouter
from rollout.tick.controller import Controller
from rollout.tick.fleet import Fleet
from rollout.wire.clock import SystemClock
from tests.live.pipeline import until
from tests.live.prom import RATE, Pages, labels
from tests.support.worlds import plan

pytestmark = pytest.mark.live

OLD = 5000  # pairs of earlier versions, all of which stable lost
PER_SCRAPE = {("stable", "canary"): 19, ("canary", "canary"): 1, ("tie", "canary"): 2} | {
    ("stable", "stable"): 17,
    ("canary", "stable"): 3,
    ("Canary", "stable"): 1,
}


def show_page(scrape):
    """Requests of both versions without errors, and pairs that the canary mostly loses."""
    served = (labels(version, envoy_response_code="200") for version in ("v1", "v2"))
    rows = [f"# TYPE {RATE} counter", *(f"{RATE}{own} {1000 + 40 * scrape}" for own in served)]
    rows.append("# TYPE summary_pairs_total counter")
    for (winner, first), pairs in PER_SCRAPE.items():
        total = pairs * scrape + OLD * (winner == "canary")
        rows.append(f'summary_pairs_total{{winner="{winner}",first="{first}"}} {total}')
    return "\n".join([*rows, ""])


def test_a_canary_that_loses_its_pairs_goes_back_and_older_pairs_do_not_count(tmp_path):
    pairs = {"series": "summary_pairs_total"}
    with Pages({"/judge": show_page}).serving() as serving:
        server = start_prometheus(tmp_path, free_ports(1)[0], {"judge": f"{serving.url}/judge"})
        try:
            declared = plan(
                prometheus={"url": server.url, "scrape": "1s"},
                guardrails=[
                    {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "5%"}},
                    {"name": "preferred", "pairs": pairs, "margin": {"absolute": "10%"}},
                ],
                ramp={"steps": ["50%"], "bake": "60s"},
            )
            ports = Ports(PrometheusObserver(), MemoryRouter(), MemoryJournal(), SystemClock())
            time.sleep(5)  # what was counted before the rollout stands in several scrapes
            controller = Controller(ports, "test", fleet=Fleet())
            controller.start([declared])

            def decide():
                controller.tick()
                state = controller.states[declared.id]
                return state if state.is_terminal else None

            state = until(decide, "an end", 120)
        finally:
            server.stop()
    assert state.phase == "rolled back"
    assert state.last.reasons == ("harmful:preferred",)
    test = state.guardrails["preferred"].test
    scrapes = test.ties / 2
    assert test.signs.counts.decided <= 40 * scrapes + 40, "no pair of earlier versions"
    assert test.signs.lost_share == pytest.approx(0.9, abs=0.02)
    looks = [entry.fact for entry in ports.journal.read() if isinstance(entry.fact, Observed)]
    tallies = [look.tallies["preferred"] for look in looks if "preferred" in look.tallies]
    assert any(tally.apart for tally in tallies)
    assert "Canary" not in "".join(look.model_dump_json() for look in looks)
