"""`surefoot backtest` on a real Prometheus: what would have been decided on a written past."""

import json
import time
from datetime import UTC, datetime

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

import rollout
from rollout.cli import surefoot
from tests.live.prom import RATE, labels, past
from tests.support.asking import ERRORS, plan

pytestmark = pytest.mark.live

STEP, TICKS = 15.0, 160  # 40 minutes
PER_SCRAPE = 3000
LADDER = ((20, 0.0), (60, 0.05), (120, 0.25), (TICKS, 0.5))
"""Until which scrape somebody gave the canary which share."""


def share_at(tick):
    return next(share for until, share in LADDER if tick < until)


def write_rows(service, canary_errors, end):
    """The counters of a service whose canary was given shares by hand."""
    dice, rows = np.random.default_rng(7), []
    totals = {version: [0, 0] for version in ("v1", "v2")}
    for tick in range(TICKS):
        served = {"v2": int(dice.binomial(PER_SCRAPE, share_at(tick)))}
        served["v1"] = PER_SCRAPE - served["v2"]
        for version, errors in (("v1", 0.01), ("v2", canary_errors)):
            failed = int(dice.binomial(served[version], errors))
            good, bad = totals[version]
            totals[version] = [good + served[version] - failed, bad + failed]
            for code, count in zip(("200", "503"), totals[version], strict=True):
                text = labels(version, service, envoy_response_code=code)
                rows.append((text, end - STEP * (TICKS - tick), count))
    return rows


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Three services of the last hours: a good canary, a bad one, and one without traffic."""
    end = (time.time() - 600) // STEP * STEP
    rows = [*write_rows("good", 0.01, end), *write_rows("bad", 0.08, end)]
    alone = [row for row in write_rows("alone", 0.01, end) if '"v2"' not in row[0]]
    with past(tmp_path_factory.mktemp("past"), {RATE: [*rows, *alone]}) as url:
        yield url, end - STEP * TICKS, end


def look_back(recorded, tmp_path, service, *options, span=None, **spec):
    url, start, end = recorded
    start, end = span or (start, end)
    document = plan(guardrails=[ERRORS], url=url, scrape="15s", service=service).document()
    document["spec"] |= {
        "ramp": {"steps": ["5%", "25%", "50%"], "bake": "1m"},
        "interval": "15s",
        "warmup": "30s",
        "deadline": "4h",
        "pods": "none",
        **spec,
    }
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(document))
    times = [datetime.fromtimestamp(at, UTC).isoformat() for at in (start, end)]
    arguments = ["backtest", str(path), "--from", times[0], "--to", times[1], *options]
    return CliRunner().invoke(surefoot, arguments, catch_exceptions=False)


def test_a_good_canary_would_have_been_promoted_and_each_step_is_told(recorded, tmp_path):
    done = look_back(recorded, tmp_path, "good", "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["outcome"] == "promotion"
    wishes = [own["would"]["action"] for own in report["decisions"]]
    assert [own for own in dict.fromkeys(wishes) if own != "hold"] == ["advance", "promote"]
    shares = [own["split"]["canary"] / own["split"]["total"] for own in report["decisions"]]
    assert [*dict.fromkeys(shares)][:4] == [0.0, 0.05, 0.25, 0.5], "as the counts show them"
    assert all(own["action"] == "hold" for own in report["decisions"])
    assert report["decisive"]["sentence"].startswith("Would promote v2 from 50 % to 100 %: every")


def test_a_bad_canary_would_have_been_rolled_back_at_its_first_weight(recorded, tmp_path):
    done = look_back(recorded, tmp_path, "bad")
    assert done.exit_code == 4, done.output
    lines = done.stdout.splitlines()
    back = next(line for line in lines if "would roll back" in line)
    assert "Would roll back v2 from 5 % to 0 %, all traffic to v1: " in back
    at = datetime.fromisoformat(back[:20].replace(" ", "T")).timestamp()
    given = recorded[1] + 20 * STEP
    assert given < at < given + 15 * 60
    assert "outcome: harm" in done.stderr


@pytest.mark.parametrize(("service", "conclusion"), [("good", "undecided"), ("bad", "worse")])
def test_an_analyst_opens_the_same_past(recorded, tmp_path, service, conclusion):
    goals = [{"guardrail": "errors"}]
    look_back(recorded, tmp_path, service, goals=goals)
    start, end = (datetime.fromtimestamp(at, UTC) for at in recorded[1:])
    exp = rollout.from_prometheus(tmp_path / "plan.yaml", start, end)
    (row,) = exp.goals().to_dict("records")
    assert row["conclusion"] == conclusion
    errors = {"good": 0.01, "bad": 0.08}[service]
    assert row["canary_share"] == pytest.approx(errors, rel=0.1)
    rates = exp.rates()
    assert rates[rates["version"] == "canary"]["units"].sum() > PER_SCRAPE


def test_where_a_version_had_no_traffic_it_is_refused_in_words(recorded, tmp_path):
    done = look_back(recorded, tmp_path, "alone")
    assert done.exit_code == 2
    assert "no requests of v2 are recorded in these 2,400 s" in done.stderr
    before = recorded[1] - 9 * 3600, recorded[1] - 8.5 * 3600
    done = look_back(recorded, tmp_path, "good", span=before)
    assert done.exit_code == 2
    assert "no requests of v2 and v1 are recorded" in done.stderr


def test_the_future_and_a_silent_server_are_refused(recorded, tmp_path):
    done = look_back(recorded, tmp_path, "good", span=(time.time(), time.time() + 600))
    assert done.exit_code == 2
    assert "neither in the future" in done.stderr
    silent = ("http://127.0.0.1:1", recorded[2] - 60, recorded[2])
    done = look_back(silent, tmp_path, "good")
    assert done.exit_code == 2
    assert "Prometheus does not answer at 127.0.0.1" in done.stderr
