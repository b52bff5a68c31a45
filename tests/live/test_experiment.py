"""An A/B experiment that a real Prometheus recorded, as an analyst and `backtest` look back at it.

Segments, goals, pairs, a judge that changes and people's labels, all in one past: what is counted
is what was written, and what is concluded follows from it.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

import rollout
from rollout.cli import surefoot
from rollout.experiment.report.document import compose
from rollout.experiment.report.render import to_page
from tests.live.prom import RATE, labels, past
from tests.support.asking import ERRORS, plan
from tests.support.experiments import TABLES

pytestmark = pytest.mark.live

STEP, TICKS, BEGIN, CHANGE = 15.0, 200, 30, 120
VERDICTS = "gen_ai_evaluation_verdicts_total"
SITES = {"a": 400, "b": 200, "c": 4}
"""Requests of each version in a scrape; so few of the last that two segments show no numbers."""

PAIRS = {("stable", "stable"): 12, ("canary", "stable"): 8, ("stable", "canary"): 5} | {
    ("canary", "canary"): 15,
    ("tie", "stable"): 2,
}
"""Pairs in a scrape by winner and by who was read first: the canary wins, the first place helps."""

Rows = dict[str, list[tuple[str, float, int]]]


class WrittenPast:
    """Counters that only grow, written down at each scrape."""

    def __init__(self, end: float) -> None:
        self.end, self.dice = end, np.random.default_rng(17)
        self.totals: Counter[tuple[str, str]] = Counter()
        self.rows: Rows = {}

    def count(self, metric: str, units: int, text: str) -> None:
        self.totals[metric, text] += units

    def scrape(self, tick: int) -> None:
        at = self.end - STEP * (TICKS - tick)
        for (metric, text), total in self.totals.items():
            self.rows.setdefault(metric, []).append((text, at, total))

    def serve(self, version: str, site: str, units: int, errors: float) -> None:
        failed = int(self.dice.binomial(units, errors))
        more = {"site": site, "job": "proxies", "instance": "a:1"}
        for code, count in (("200", units - failed), ("503", failed)):
            self.count(RATE, count, labels(version, envoy_response_code=code, **more))

    def judge(self, version: str, units: int, judge: str, share: float) -> None:
        """A judge scores; people label a tenth, and agree with it mostly."""
        fails = int(self.dice.binomial(units, share))
        for verdict, count in (("pass", units - fails), ("fail", fails)):
            own = {"service": "summarizer", "model_version": version, "judge": judge}
            own["gen_ai_evaluation_score_label"] = verdict
            self.count(VERDICTS, count, write_labels(own))
            for human in ("pass", "fail"):
                agreed = self.dice.binomial(count // 10, 0.9 if human == verdict else 0.1)
                both = {"version": version, "judge": verdict, "human": human}
                self.count("summary_label_pairs_total", int(agreed), write_labels(both))


def write_labels(own: dict[str, str]) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in own.items()) + "}"


def write_past(end: float, harmed: str) -> WrittenPast:
    """The canary fails a tenth as often as stable, but for a segment that it may harm."""
    own = WrittenPast(end)
    for tick in range(TICKS):
        judge, share = ("strict-2", 0.3) if tick >= CHANGE else ("mild-1", 0.05)
        for version in ("v1", "v2") if tick >= BEGIN else ("v1",):
            for site, units in SITES.items():
                is_harmed = version == "v2" and site == harmed
                errors = 0.2 if is_harmed else 0.004 if version == "v2" else 0.04
                own.serve(version, site, units, errors)
            own.judge(version, 100, judge, share)
        for (winner, first), units in PAIRS.items():
            pairs = {"winner": winner, "first": first}
            own.count("summary_pairs_total", units if tick >= BEGIN else 0, write_labels(pairs))
        own.scrape(tick)
    return own


def make_plan(url: str) -> dict[str, Any]:
    document: dict[str, Any] = plan(guardrails=[ERRORS], url=url, scrape="15s").document()
    document["spec"] |= {
        "guardrails": [
            {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "2%"}},
            {"name": "preferred", "pairs": {"series": "summary_pairs_total"}}
            | {"margin": {"absolute": "20%"}},
            {"name": "judged", "template": "quality/verdict", "margin": {"absolute": "10%"}}
            | {"labels": {"judge": "judge"}},
            {
                "name": "people",
                "human": {
                    "of": "judged",
                    "series": "summary_label_pairs_total",
                    "judge": "judge",
                },
                "labels": {"version": "version"},
            },
        ],
        "ramp": {"steps": ["50%"], "bake": "1m"},
        "segments": [{"label": "site", "values": [*SITES], "guardrails": ["errors"]}],
        "goals": [{"guardrail": "errors"}, {"guardrail": "preferred"}],
        "experiment": {"end": {"looks": 100}, "winner": "promote"},
        "interval": "15s",
        "warmup": "30s",
        "deadline": "4h",
        "pods": "none",
    }
    return document


@pytest.fixture(scope="module", params=["none", "b"])
def recorded(request, tmp_path_factory) -> Iterator[tuple[Any, ...]]:
    """The plan's file, the past as it is opened, what was written, and who is harmed."""
    end = (time.time() - 600) // STEP * STEP
    written = write_past(end, request.param)
    folder = tmp_path_factory.mktemp("past")
    with past(folder, written.rows) as url:
        path = folder / "plan.yaml"
        path.write_text(yaml.safe_dump(make_plan(url)))
        span = [datetime.fromtimestamp(at, UTC) for at in (end - STEP * TICKS, end)]
        yield path, rollout.from_prometheus(path, *span), written, request.param, span


def test_each_segment_is_counted_as_it_was_written(recorded):
    _, exp, written, _, _ = recorded
    for site, units in SITES.items():
        looks = [own for own in exp.record.segment_units if own.guardrail == f"errors[site={site}]"]
        counted = sum(own.counts.canary_exposures for own in looks)
        served = sum(
            total
            for (metric, text), total in written.totals.items()
            if metric == RATE and f'site="{site}"' in text and 'version="v2"' in text
        )
        assert served - 2 * units <= counted <= served, "but for the newest scrapes"


def test_goals_are_concluded_and_harm_to_one_segment_is_no_win(recorded):
    _, exp, _, harmed, _ = recorded
    goals = {(row["goal"], row["segment"]): row for row in exp.goals().to_dict("records")}
    assert goals["preferred", ""]["conclusion"] == "better"
    assert goals["errors", "site=a"]["conclusion"] == "better"
    verdicts = exp.segments().set_index("segment")["verdict"]
    if harmed == "none":
        assert goals["errors", ""]["conclusion"] == "better"
        assert "harmful" not in set(verdicts)
    else:
        assert goals["errors", "site=b"]["conclusion"] == "worse"
        assert verdicts["b"] == "harmful"
        assert verdicts["a"] != "harmful"


def test_pairs_judges_and_people_are_told_as_they_were_written(recorded):
    _, exp, _, _, _ = recorded
    both = next(row for row in exp.pairs().to_dict("records") if row["first"] == "both orders")
    assert both["share"] == pytest.approx((8 / 20 + 15 / 20) / 2, abs=0.01)
    assert both["first_won"] == pytest.approx((12 / 20 + 15 / 20) / 2, abs=0.01)
    health = exp.health().set_index("question")["answer"]
    assert (
        "another version of the judge" in health["judged: did one version of the judge score all?"]
    )
    judged = exp.scorecard().set_index("guardrail").loc["judged"]
    assert judged["canary_share"] == pytest.approx(0.3, abs=0.03), "of the second judge alone"
    assert set(exp.quality()["version"]) >= {"stable", "canary"}
    text = "".join(entry.fact.model_dump_json() for entry in exp.record.entries)
    assert "strict-2" not in text


@pytest.mark.parametrize("table", TABLES)
def test_no_table_has_a_nan_and_every_chart_is_drawn(recorded, table):
    _, exp, *_ = recorded
    frame = getattr(exp, table)()
    for column in frame.columns:
        assert not any(isinstance(own, float) and math.isnan(own) for own in frame[column])
    if table != "quantiles":
        assert getattr(exp.plot, table)().axes


def test_what_was_decided_is_decided_again_and_reported(recorded):
    _, exp, *_ = recorded
    assert (exp.replay()["differs"] == "").all()
    document = compose(exp)
    json.dumps(document.as_json(), allow_nan=False)
    assert "errors[site=" not in document.card.title
    assert "Each segment by itself" in to_page(exp, document)


def test_backtest_says_the_same(recorded):
    path, exp, _, harmed, span = recorded
    arguments = ["backtest", str(path), "--from", span[0].isoformat(), "--to", span[1].isoformat()]
    done = CliRunner().invoke(surefoot, [*arguments, "--json"], catch_exceptions=False)
    report = json.loads(done.stdout)
    assert report["outcome"] == ("promotion" if harmed == "none" else "harm"), done.stdout
    sentence = report["decisive"]["sentence"]
    assert sentence in set(exp.timeline()["sentence"])
    own = "errors is better" if harmed == "none" else "errors[site=b] is worse than allowed"
    assert own in sentence
