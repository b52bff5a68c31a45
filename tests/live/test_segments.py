"""Segments on a real Prometheus: each is counted by itself, and harm to one would roll back."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import partial

import numpy as np
import pytest
import yaml

import rollout
from rollout.doctor.probe.segments import of_plan
from rollout.plan.reading.files import load_single
from rollout.wire.prometheus import open_prometheus
from tests.live.prom import RATE, labels, past
from tests.support.asking import ERRORS, plan

pytestmark = pytest.mark.live

STEP, TICKS, PER_SCRAPE = 15.0, 120, 600
DEPARTMENTS = {"cardiology": 0.01, "oncology": 0.12, "geriatrics": 0.01, "other": 0.01}
"""The canary's share of failures in each; stable's is .01 in all."""


def write_rows(end):
    """Counters of both versions in every department; the canary has half from the fifth scrape."""
    dice, rows, truth = np.random.default_rng(3), [], {}
    for department, errors in DEPARTMENTS.items():
        totals = {version: [0, 0] for version in ("v1", "v2")}
        for tick in range(TICKS):
            canary = PER_SCRAPE // 2 if tick >= 5 else 0
            for version, units, share in (
                ("v1", PER_SCRAPE - canary, 0.01),
                ("v2", canary, errors),
            ):
                failed = int(dice.binomial(units, share))
                good, bad = totals[version]
                totals[version] = [good + units - failed, bad + failed]
                for code, count in zip(("200", "503"), totals[version], strict=True):
                    more = {"envoy_response_code": code, "department": department}
                    more |= {"job": "proxies", "instance": "a:1"}
                    text = labels(version, **more)
                    rows.append((text, end - STEP * (TICKS - tick), count))
        truth[department] = totals
    return rows, truth


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    end = (time.time() - 600) // STEP * STEP
    rows, truth = write_rows(end)
    folder = tmp_path_factory.mktemp("past")
    with past(folder, {RATE: rows}) as url:
        document = plan(guardrails=[ERRORS], url=url, scrape="15s").document()
        values = [name for name in DEPARTMENTS if name != "other"]
        document["spec"] |= {
            "interval": "15s",
            "warmup": "30s",
            "deadline": "4h",
            "pods": "none",
            "segments": [{"label": "department", "values": values}],
        }
        path = folder / "plan.yaml"
        path.write_text(yaml.safe_dump(document))
        start, stop = (datetime.fromtimestamp(at, UTC) for at in (end - STEP * TICKS, end))
        yield path, rollout.from_prometheus(path, start, stop), truth


def test_each_segment_is_counted_by_itself(recorded):
    _, exp, truth = recorded
    counted: dict[str, tuple[int, int]] = {}
    for look in exp.record.segment_units:
        canary, stable = counted.get(look.guardrail, (0, 0))
        counted[look.guardrail] = (
            canary + look.counts.canary_exposures,
            stable + look.counts.stable_exposures,
        )
    for department in ("cardiology", "oncology", "geriatrics"):
        canary, stable = counted[f"errors[department={department}]"]
        served = sum(truth[department]["v2"])
        assert served - 2 * PER_SCRAPE <= canary <= served, "but for the newest scrapes"
        assert stable <= sum(truth[department]["v1"])
    assert not any("other" in name for name in counted)


def test_harm_to_one_would_roll_back(recorded):
    _, exp, _ = recorded
    rows = {row["segment"]: row for row in exp.segments().to_dict("records")}
    assert {name: row["verdict"] for name, row in rows.items()}["oncology"] == "harmful"
    assert rows["oncology"]["conclusion"] == "worse"
    assert rows["cardiology"]["verdict"] != "harmful"
    events = exp.timeline()["sentence"]
    assert any("errors[department=oncology] more than" in (text or "") for text in events)


def test_doctor_tells_how_many_values_no_segment_has(recorded):
    path, exp, _ = recorded
    observer = open_prometheus()
    try:
        at = exp.record.entries[-1].fact.at
        (finding,) = of_plan(load_single(path), partial(observer.vector, now=at))
    finally:
        observer.close()
    assert finding.said == "every segment of department has series; 1 other value has no segment"
