"""The service: answers, faults and counts, through HTTP in one process."""

import asyncio
from itertools import repeat

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families

from rollout.demo.services.corpus import notes
from rollout.demo.services.faults import Fate
from rollout.demo.services.service import Service, main
from rollout.demo.services.versions import truncated

NOTE = notes()["infection-malaria"]
GOOD = Fate(failed=False, truncated=False, delay=0.0)
FAILED = Fate(failed=True, truncated=False, delay=0.0)
SHORT = Fate(failed=False, truncated=True, delay=0.0)


def talk(fates, *paths, method="GET"):
    """(status, JSON or text) of each path in turn; a note's summary tells its id."""

    async def run():
        service = Service("v2", lambda note: f"summary of {note.id}", iter(fates))
        async with TestClient(TestServer(service.app())) as client:
            answers = []
            for path in paths:
                async with client.request(method, path) as answer:
                    is_json = answer.content_type == "application/json"
                    answers.append(
                        (answer.status, await (answer.json if is_json else answer.text)())
                    )
            return answers

    return asyncio.run(run())


def samples(text):
    families = text_string_to_metric_families(text)
    return {
        (s.name, *(s.labels.get(label) for label in ("version", "code", "error_type"))): s.value
        for family in families
        for s in family.samples
        if "le" not in s.labels and not s.name.endswith("_sum")
    }


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_note_is_summarised(method):
    [answer] = talk([GOOD], f"/summarize/{NOTE.id}", method=method)
    body = {"note_id": NOTE.id, "version": "v2", "summary": f"summary of {NOTE.id}"}
    assert answer == (200, body)


def test_faults_fail_and_truncate():
    path = f"/summarize/{NOTE.id}"
    (first, failed), (second, short) = talk([FAILED, SHORT], path, path)
    assert (first, failed["version"], "summary" in failed) == (500, "v2", False)
    assert (second, short["summary"]) == (200, truncated(NOTE))


def test_every_answer_is_counted_once_by_code():
    path = f"/summarize/{NOTE.id}"
    answers = talk([GOOD, FAILED, GOOD], path, path, path, "/summarize/nobody", "/metrics")
    assert [status for status, _ in answers] == [200, 500, 200, 404, 200]
    requests = ("summarizer_requests_total", "v2")
    seconds = ("gen_ai_server_request_duration_seconds_count", "v2", None)
    assert samples(answers[-1][1]) == {
        (*requests, "200", None): 2,
        (*requests, "500", None): 1,
        (*requests, "404", None): 1,
        (*seconds, ""): 2,
        (*seconds, "500"): 1,
        (*seconds, "404"): 1,
    }


def test_no_text_and_no_series_before_the_first_request():
    (_, before), _, (_, after) = talk(repeat(GOOD), "/metrics", f"/summarize/{NOTE.id}", "/metrics")
    assert samples(before) == {}
    assert NOTE.id not in after
    assert "summary of" not in after


def test_healthy():
    assert talk([], "/healthz") == [(200, "ok\n")]


@pytest.mark.parametrize(
    "bad", [["--errors", "4"], ["--version", "v9"], ["--algorithm", "oracle"], ["--errors", "x"]]
)
def test_bad_flags_are_refused(bad, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version", "v2", "--port", "1", *bad])
    assert ended.value.code == 2
    assert bad[0] in capsys.readouterr().err
