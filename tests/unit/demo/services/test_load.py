"""The load: open loop at its rate, bounded, all requests accounted for, answers handed once."""

import asyncio
from itertools import count
from math import sqrt

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from rollout.demo.services import load as module
from rollout.demo.services.corpus import notes
from rollout.demo.services.load import Load


class FakeServices:
    """A fake service and evaluator: some answers are a 500, some the proxy's own 503."""

    def __init__(self, answers=True):
        self.answers, self.numbers = answers, count()
        self.asked, self.received = [], []

    async def summarize(self, request):
        self.asked.append(request.match_info["note_id"])
        if not self.answers:
            await asyncio.sleep(60)
        number = next(self.numbers)
        if number % 3 == 0:
            return web.json_response({"version": "v2"}, status=500)
        if number % 5 == 0:
            return web.Response(status=503, text="no healthy upstream")
        body = {"note_id": self.asked[-1], "version": "v1", "summary": "s"}
        return web.json_response(body)

    async def responses(self, request):
        self.received += await request.json()
        return web.Response(status=202)

    def app(self):
        app = web.Application()
        app.router.add_get("/summarize/{note_id}", self.summarize)
        app.router.add_post("/responses", self.responses)
        return app


def drive(world, *, rate=400.0, seconds=0.5, evaluator=True, url=None, stop_after=None):
    async def run():
        server = TestServer(world.app())
        async with server:
            base = str(server.make_url("")).rstrip("/")
            to = base if evaluator is True else evaluator
            load, stop = Load(url or base, rate, 3, to), asyncio.Event()
            if stop_after is not None:
                asyncio.get_running_loop().call_later(stop_after, stop.set)
            await load.run(seconds, stop)
            return load.tally

    return asyncio.run(run())


def test_open_loop_at_its_rate_with_every_request_accounted_for():
    world = FakeServices()
    tally = drive(world)
    assert abs(tally.sent - 200) <= 4 * sqrt(200)
    assert (tally.shed, tally.failed, tally.cancelled) == (0, 0, 0)
    assert sum(tally.answers.values()) == tally.sent == len(world.asked)
    assert set(tally.answers) == {("v1", 200), ("v2", 500), ("none", 503)}
    assert len(set(world.asked)) > len(notes()) // 2


def test_good_answers_are_handed_over_once():
    world = FakeServices()
    tally = drive(world)
    assert tally.handed_over == len(world.received) == tally.answers["v1", 200] > 0
    assert {row["version"] for row in world.received} == {"v1"}


def test_a_dead_evaluator_is_counted_and_harms_nothing():
    tally = drive(FakeServices(), evaluator=f"http://127.0.0.1:{unused_port()}")
    assert tally.not_handed_over == tally.answers["v1", 200] > 0
    assert tally.handed_over == 0


def test_without_an_evaluator_nothing_is_kept():
    tally = drive(FakeServices(), evaluator=None)
    assert (tally.handed_over, tally.not_handed_over) == (0, 0)


def test_a_dead_service_is_counted():
    tally = drive(FakeServices(), url=f"http://127.0.0.1:{unused_port()}")
    assert tally.failed == tally.sent > 100
    assert not tally.answers


def test_a_service_that_hangs_is_asked_a_bounded_number_of_times(monkeypatch):
    monkeypatch.setattr(module, "OUTSTANDING", 40)
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.05)
    world = FakeServices(answers=False)
    tally = drive(world)
    assert tally.sent == tally.cancelled == len(world.asked) == 40
    assert abs(tally.shed + 40 - 200) <= 4 * sqrt(200)


def test_it_stops_when_told():
    tally = drive(FakeServices(), seconds=60.0, stop_after=0.2)
    assert 0 < tally.sent == sum(tally.answers.values()) < 200


def test_the_same_seed_asks_for_the_same_notes():
    worlds = FakeServices(), FakeServices()
    for world in worlds:
        drive(world, rate=200.0, seconds=0.3)
    first, again = (sorted(world.asked) for world in worlds)  # they overtake each other
    assert first == again


def test_the_document_lists_versions_and_states():
    document = drive(FakeServices()).document()
    assert document["answers"][0].keys() == {"version", "status", "requests"}
    assert sum(row["requests"] for row in document["answers"]) == document["sent"]


@pytest.mark.parametrize("raw", [b"", b"not json", b"[1]", b"\xff"])
def test_a_body_that_is_no_object_has_no_version(raw):
    assert module._body(raw) == {}
