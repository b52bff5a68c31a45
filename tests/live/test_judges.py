"""A judge that changes in mid-flight, on a real Prometheus: its versions are not mixed."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import numpy as np
import pytest
import yaml

import rollout
from tests.live.prom import RATE, labels, past
from tests.support.asking import ERRORS, plan

pytestmark = pytest.mark.live

STEP, TICKS, PER_SCRAPE, CHANGE = 15.0, 160, 1000, 80


def write_rows(service, end, judges):
    """Counters by version and judge; `judges` says by tick and version who scores, how strictly."""
    dice, rows = np.random.default_rng(5), []
    totals: dict[tuple[str, str], list[int]] = {}
    for tick in range(TICKS):
        canary = PER_SCRAPE // 2 if tick >= 5 else 0
        for version, units in (("v1", PER_SCRAPE - canary), ("v2", canary)):
            judge, share = judges(tick, version)
            failed = int(dice.binomial(units, share))
            good, bad = totals.get((version, judge), [0, 0])
            totals[version, judge] = [good + units - failed, bad + failed]
        for (version, judge), counts in totals.items():
            for code, count in zip(("200", "503"), counts, strict=True):
                more = {"envoy_response_code": code, "judge": judge, "job": "j", "instance": "a:1"}
                text = labels(version, service, **more)
                rows.append((text, end - STEP * (TICKS - tick), count))
    return rows


def change_scale(tick, _version):
    """From the change on a stricter judge scores both versions."""
    return ("strict-2", 0.3) if tick >= CHANGE else ("mild-1", 0.01)


def differ(tick, version):
    """From the change on the two versions have different judges."""
    return ("strict-2", 0.3) if tick >= CHANGE and version == "v2" else ("mild-1", 0.01)


def harm_later(tick, version):
    """The canary is harmful under the second judge alone."""
    judge, share = change_scale(tick, version)
    return judge, share + (0.2 if tick >= CHANGE and version == "v2" else 0.0)


WORLDS = {"scale": change_scale, "differ": differ, "harm": harm_later}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    end = (time.time() - 600) // STEP * STEP
    rows = [row for name, world in WORLDS.items() for row in write_rows(name, end, world)]
    folder = tmp_path_factory.mktemp("past")
    with past(folder, {RATE: rows}) as url:
        yield url, folder, end


def open_past(served, service, *, names_judge=True):
    url, folder, end = served
    guardrail = {**ERRORS, "labels": {"judge": "judge"}} if names_judge else ERRORS
    document = plan(guardrails=[guardrail], url=url, scrape="15s", service=service).document()
    document["spec"] |= {"interval": "15s", "warmup": "30s", "deadline": "4h", "pods": "none"}
    path = folder / f"{service}.yaml"
    path.write_text(yaml.safe_dump(document))
    start, stop = (datetime.fromtimestamp(at, UTC) for at in (end - STEP * TICKS, end))
    return rollout.from_prometheus(path, start, stop)


def wishes(exp):
    """What full authority would have done, holds left out."""
    facts = [entry.fact for entry in exp.record.entries]
    return {f.would.action for f in facts if getattr(f, "would", None)} - {"hold"}


def test_another_scale_is_no_harm_and_the_counts_start_anew(served):
    exp = open_past(served, "scale")
    assert "roll back" not in wishes(exp)
    own = exp.record.state.guardrails["errors"]
    assert own.judged_anew is not None
    assert own.judged_anew.number == 1
    (row,) = exp.scorecard().to_dict("records")
    assert row["canary_share"] == pytest.approx(0.3, rel=0.1), "of the second judge alone"
    health = {own["question"]: own for own in exp.health().to_dict("records")}
    answered = health["errors: did one version of the judge score all?"]
    assert answered["status"] == "attention"
    assert "another version of the judge has scored for" in answered["answer"]


def test_versions_that_different_judges_score_are_not_compared(served):
    exp = open_past(served, "differ")
    assert "roll back" not in wishes(exp)
    assert "two versions of the judge" in exp.record.state.guardrails["errors"].problem
    without = open_past(served, "differ", names_judge=False)
    assert "roll back" in wishes(without), "nothing else tells them apart"


def test_harm_under_the_second_judge_is_found(served):
    assert "roll back" in wishes(open_past(served, "harm"))


def test_no_name_of_a_judge_is_recorded(served):
    exp = open_past(served, "scale")
    text = "".join(entry.fact.model_dump_json() for entry in exp.record.entries)
    assert "strict-2" not in text
    assert "mild-1" not in text
