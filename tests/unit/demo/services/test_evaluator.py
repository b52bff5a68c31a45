"""The evaluation job: late scores, right counts, and never a word of text in what it shows."""

import asyncio
import logging
from math import sqrt

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families

from rollout.demo.services.corpus import notes
from rollout.demo.services.evaluator import Evaluator
from rollout.demo.services.scoring import EDGES, score

NOTE = notes()["infection-malaria"]
GOOD = {"note_id": NOTE.id, "version": "v2", "summary": NOTE.reference}
BAD = {"note_id": NOTE.id, "version": "v3", "summary": "Quetzal quagmire."}


def after(batches, share=1.0, delay=0.0, wait=0.01):
    """(statuses, metrics right after the posts, metrics `wait` seconds later)."""

    async def run():
        evaluator = Evaluator(share, delay, seed=7)
        async with TestClient(TestServer(evaluator.app())) as client:
            statuses = []
            for batch in batches:
                async with client.post("/responses", json=batch) as answer:
                    statuses.append(answer.status)
                    body = await answer.text()
                    assert "uetzal" not in body
            pages = []
            for pause in (0, wait):
                await asyncio.sleep(pause)
                async with client.get("/metrics") as page:
                    pages.append(await page.text())
            return statuses, *pages

    return asyncio.run(run())


def samples(page, name):
    families = text_string_to_metric_families(page)
    return [s for family in families for s in family.samples if s.name == name]


def count(page, name, **labels):
    return sum(
        s.value
        for s in samples(page, f"gen_ai_evaluation_{name}")
        if labels.items() <= s.labels.items()
    )


def test_scores_arrive_late():
    _, soon, late = after([[GOOD]], delay=0.3, wait=0.4)
    assert count(soon, "requested_total", model_version="v2") == 1
    assert count(soon, "score_count") == 0
    assert count(late, "score_count", model_version="v2") == 1
    assert count(late, "score_sum") == pytest.approx(score(NOTE, NOTE.reference))


def test_labels_edges_and_verdicts():
    _, _, page = after([[GOOD, BAD, GOOD]])
    labels = {
        "service": "discharge-summarizer",
        "gen_ai_evaluation_name": "summary",
        "judge": "rouge-facts",
        "judge_version": "1",
    }
    assert count(page, "score_count", model_version="v2", **labels) == 2
    assert count(page, "verdicts_total", gen_ai_evaluation_score_label="pass", **labels) == 2
    assert count(page, "verdicts_total", gen_ai_evaluation_score_label="fail", **labels) == 1
    buckets = samples(page, "gen_ai_evaluation_score_bucket")
    printed = [s.labels["le"] for s in buckets if s.labels["model_version"] == "v3"]
    assert printed == [f"{edge:.2f}".removesuffix("0") for edge in EDGES[:-1]] + ["1.0", "+Inf"]


def test_a_share_is_chosen():
    many = 2_000
    _, page, _ = after([[BAD] * many], share=0.6)
    assert abs(count(page, "requested_total") - 0.6 * many) <= 4 * sqrt(0.24 * many)


def test_an_unknown_note_is_an_error_not_a_score():
    _, _, page = after([[{**GOOD, "note_id": "nobody"}, GOOD]])
    assert count(page, "requested_total") == 2
    assert count(page, "errors_total", model_version="v2") == 1
    assert count(page, "score_count") == 1


@pytest.mark.parametrize(
    "batch",
    [
        [{**GOOD, "version": "a summary that pretends, to be a label"}],
        [{**GOOD, "summary": 3}],
        [{"note_id": NOTE.id}],
        [3],
        3,
        {"quetzal": 1},
    ],
)
def test_what_is_not_a_batch_is_refused_whole(batch):
    statuses, _, page = after([batch])
    assert statuses == [400]
    assert count(page, "requested_total") == 0


def test_no_text_leaves_the_process(caplog):
    with caplog.at_level(logging.DEBUG):
        _, _, page = after([[GOOD, BAD], [{**BAD, "version": "quetzal text"}]])
    for text in ("uetzal", NOTE.id, "artesunate"):
        assert text not in page
        assert text not in caplog.text
