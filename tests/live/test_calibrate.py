"""`surefoot calibrate` on a real Prometheus: read, replay, record; then a plan may begin."""

import json
import time

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.decide.record.facts import Calibrated
from rollout.journal.open import open_for_reading
from rollout.plan.model.plan import Plan
from tests.live.prom import RATE, labels, past
from tests.support.asking import ERRORS, LATENCY, plan

pytestmark = pytest.mark.live

STEP, TICKS, PODS = 15.0, 720, 6


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """Six even pods for three hours up to now, and two of the canary that wait."""
    dice = np.random.default_rng(11)
    end = time.time() // STEP * STEP
    rows = []
    for pod in range(PODS):
        for code, rate in (("200", 190), ("503", 10)):
            text = labels("v1", envoy_response_code=code, pod=f"p{pod}")
            total = np.cumsum(dice.poisson(rate, TICKS + 40))
            rows += [(text, end - STEP * (TICKS + 38 - i), int(n)) for i, n in enumerate(total)]
    rows += [(labels("v2", pod=f"c{i}", envoy_response_code="200"), end, 0) for i in (1, 2)]
    with past(tmp_path_factory.mktemp("past"), {RATE: rows}) as running:
        yield running


@pytest.fixture
def surefooted(url, tmp_path):
    """Calibrate a plan with other values of `spec`: (result, plan, journal)."""

    def go(*options, pods=None, guardrails=(ERRORS,), **spec):
        document = plan(guardrails=guardrails, url=url, scrape="15s").document()
        document["spec"] |= {
            "confidence": {"falseRollback": "10%"},
            "ramp": {"steps": ["50%"], "bake": "1m"},
            "pods": {"label": "pod", "history": "3h", **(pods or {})},
            **spec,
        }
        path, journal = tmp_path / "plan.yaml", tmp_path / "journal.db"
        path.write_text(yaml.safe_dump(document))
        arguments = ["calibrate", str(path), *map(str, options)]
        done = CliRunner().invoke(surefoot, arguments, catch_exceptions=False)
        return done, Plan.model_validate(document), journal

    return go


def test_even_pods_hold_and_the_journal_says_so(surefooted, tmp_path):
    done, the_plan, journal = surefooted("--runs", 40, "--journal", tmp_path / "journal.db")
    assert done.exit_code == 0, done.output
    assert " of 40 replays were rolled back, where nothing was rolled out" in done.output
    assert "3h of 6 pods, 2 of them as the canary" in done.output
    assert "recorded as entry 1" in done.output
    (entry,) = open_for_reading(journal).read()
    assert isinstance(entry.fact, Calibrated)
    assert entry.fact.rollout == the_plan.id
    assert entry.fact.holds


def test_json_has_its_documented_shape_and_too_few_runs_do_not_hold(surefooted):
    done, the_plan, _ = surefooted("--runs", 5, "--seed", 7, "--json")
    assert done.exit_code == 1
    (calibration,) = json.loads(done.stdout)["plans"]
    assert calibration["rollout"] == the_plan.id
    assert (calibration["runs"], calibration["seed"], calibration["holds"]) == (5, 7, False)
    assert calibration["rate"] <= calibration["bound"]
    assert "entry" not in calibration


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ({"pods": {"label": "instance"}}, "no label instance"),
        ({"guardrails": (ERRORS, LATENCY)}, "Prometheus has no history of v1"),
        ({"pods": {"canary": 6}}, "a canary of 6 needs more"),
        ({"pods": None, "service": "other"}, "Prometheus has no history of v1"),
        ({"prometheus": {"url": "http://127.0.0.1:1"}}, "does not answer"),
    ],
)
def test_what_cannot_be_replayed_is_bad_input_in_words(surefooted, words, problem):
    done, _, _ = surefooted("--runs", 5, **words)
    assert done.exit_code == 2
    assert problem in done.output
