"""`authority: abort-only` on a real Envoy and a real Prometheus: others give weight, we take it."""

from __future__ import annotations

from functools import partial

import pytest

from rollout.decide.record.facts import Decided
from rollout.decide.record.route_facts import Confirmed, RouteRead
from rollout.decide.record.split import Split
from rollout.plan.reading.files import load_file
from tests.live.pipeline import ROUTER, ControllerProcess, PipelineStage, surefoot, until
from tests.live.record import Record

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def theatre(tmp_path_factory):
    with PipelineStage(tmp_path_factory.mktemp("stage")) as stage:
        yield stage


@pytest.fixture
def stage(theatre):
    theatre.reset()
    return theatre


def observes(record, weight):
    """Whether the newest reading of the route has this weight, which is nobody's drift."""
    shares = [fact.split.share for fact in record.facts(RouteRead) if fact.split is not None]
    return shares[-1:] == [weight / 100]


def test_others_move_the_weights_and_the_rollback_alone_is_written(stage, tmp_path):
    file = stage.plan("v2", tmp_path, authority="abort-only")
    (plan,) = load_file(file)
    with ControllerProcess(file) as run:
        record = Record(run.journal)
        until(lambda: record.has_scrape_after(0), "a first look")
        stage.traffic.flow()
        for weight in (20, 40):
            ROUTER.write(plan, Split(weight), f"by somebody else: {weight}")
            until(partial(observes, record, weight), f"{weight} % are noticed")
        assert run.mesh.write_id == "by somebody else: 40", "a good canary is left to others"
        assert record.actions == []
        assert not record.facts(Confirmed)
        stage.traffic.fail["v2"] = 1_000_000
        until(lambda: run.weight == 0, "the rollback in Envoy")
        until(lambda: not run.process.running or record.facts(Confirmed), "its confirmation")
        assert run.ended() == 1
        assert run.mesh.split == Split(0)
    stage.traffic.stop()
    assert record.actions == ["roll back"]
    (decided,) = [fact for fact in record.facts(Decided) if fact.action == "roll back"]
    assert decided.would is None, "it is no wish, it is done"
    assert (decided.split, record.state.phase) == (Split(0), "rolled back")
    assert record.replays()
    seq = next(entry.seq for entry in record.entries if entry.fact == decided)
    why = surefoot("why", seq, "--journal", run.journal)
    assert (why.returncode, "the same decision" in why.stdout) == (0, True)


def test_who_only_observes_says_so_and_leaves_the_harm_to_others(stage, tmp_path):
    """The same canary under the narrower authority: the wish is recorded, and Envoy untouched."""
    file = stage.plan("v3", tmp_path, authority="observe")
    (plan,) = load_file(file)
    with ControllerProcess(file) as run:
        record = Record(run.journal)
        until(lambda: record.has_scrape_after(0), "a first look")
        stage.traffic.flow()
        ROUTER.write(plan, Split(40), "by somebody else")
        until(lambda: observes(record, 40), "40 % are noticed")
        stage.traffic.fail["v3"] = 1_000_000
        until(lambda: "roll back" in wishes(record), "the wish")
        assert (run.weight, run.mesh.write_id) == (40, "by somebody else")
        assert record.actions == []
    stage.traffic.stop()


def wishes(record):
    return [fact.would.action for fact in record.facts(Decided) if fact.would]
