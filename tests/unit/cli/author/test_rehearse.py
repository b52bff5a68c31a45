"""`surefoot rehearse`: table, JSON, picture, exit codes, and what it refuses."""

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.cli.author.rehearse import _asked
from rollout.ports import Answer
from rollout.rehearse.assumptions import KnownFigures
from rollout.rehearse.runs import OUTCOMES
from rollout.wire import doctor_tools
from tests.support.worlds import plan

OFFLINE = ("--past", "0s", "--runs", "2")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(plan().document()))
    return path


def rehearse(*arguments):
    return CliRunner().invoke(surefoot, ["rehearse", *map(str, arguments)])


def test_json_has_a_stable_shape(file):
    world = "worse:errors=8x,latency=+50%"
    done = rehearse(file, *OFFLINE, "--rate", 100, "--lag", "6s", "--json", "--world", world)
    assert done.exit_code == 0, done.output
    (report,) = json.loads(done.output)["plans"]
    assert set(report) == {
        *("plan", "rollout", "runs", "seed", "read_from", "base"),
        *("worlds", "remarks", "decides", "has_experiment"),
    }
    names = [world["name"] for world in report["worlds"]]
    assert names == ["same", "2x errors", "+20 % latency", "-0.03 score", "worse"]
    for world in report["worlds"]:
        assert set(world) == {
            *("name", "harmful", "outcomes", "errors", "seconds"),
            *("canary_requests", "excess_bad", "reasons"),
        }
        assert set(world["outcomes"]) == set(OUTCOMES)
        assert sum(world["outcomes"].values()) == pytest.approx(1.0)
    worse = report["worlds"][-1]
    assert worse["harmful"] == ["errors", "latency"]
    assert worse["outcomes"]["rolled back"] == 1.0
    assert worse["excess_bad"]["errors"] > 0
    assert {tuple(remark) for remark in report["remarks"]} == {
        ("level", "code", "guardrail", "text")
    }
    assert report["base"]["rate"] == 100
    assert "latency" in report["base"]["assumed"]


@pytest.mark.no_cover  # many runs of what other tests cover
def test_the_same_seed_gives_the_same_text(file):
    arguments = (file, *OFFLINE, "--rate", 100, "--json", "--seed", 7)
    assert rehearse(*arguments).output == rehearse(*arguments).output


def test_the_table_names_worlds_outcomes_and_remarks(file):
    done = rehearse(file, *OFFLINE, "--rate", 100)
    assert done.exit_code == 0
    for words in ("+20 % latency", "promoted", "100 requests/s", "note gap", "note assumed"):
        assert words in done.output


def test_a_plan_that_decides_nothing_ends_with_one(file):
    done = rehearse(file, *OFFLINE, "--rate", 1)
    assert done.exit_code == 1
    assert "warning unprovable" in done.output


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_a_picture(file, tmp_path, suffix):
    path = tmp_path / f"out.{suffix}"
    done = rehearse(file, *OFFLINE, "--rate", 100, "--picture", path)
    assert done.exit_code == 0, done.output
    head = path.read_bytes()[:400]
    assert b"<svg" in head or head.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--picture", "out.gif"), "only .svg and .png"),
        (("--world", "bad"), "has no name"),
        (("--world", "same:crash"), "the world `same` changes nothing"),
        (("--errors", "0.5"), "write a percentage with its sign"),
        (("--errors", "150%"), "at most 100 %"),
        (("--latency", "50"), "write a duration with its unit"),
        (("--latency-buckets", "10,5"), "rising order"),
        (("--rate", "0"), "write a number of at least"),
        (("--rate", "-1"), "write a number of at least"),
        (("--rate", "nan"), "write a number of at least"),
        (("--rate", "inf"), "write a number of at least"),
        (("--rate", "many"), "could not convert"),
        (("--errors", "-1%"), "write a percentage"),
        (("--sigma", "nan"), "write a number of at least"),
        (("--score", "nan"), "write a number of at least"),
        (("--score", "-inf"), "write a number of at least"),
        (("--score-sd", "0"), "write a number of at least"),
        (("--latency-buckets", "10,nan"), "rising order"),
        (("--past", "2h"), "at most 1h"),
        (("--past", "soon"), "write a duration"),
    ],
)
def test_bad_input_is_refused(file, arguments, words):
    done = rehearse(file, *arguments)
    assert done.exit_code == 2
    assert words in done.output


def test_several_plans_have_no_one_picture(file, tmp_path):
    two = [plan("one").document(), plan("two").document()]
    file.write_text(yaml.safe_dump_all(two))
    done = rehearse(file, "--picture", tmp_path / "out.svg")
    assert done.exit_code == 2
    assert "holds several" in done.output


def test_a_silent_prometheus_is_said_once_and_figures_are_assumed(capsys):
    figures, source = _asked(plan(), KnownFigures(rate=3.0), 1800.0)
    assert (figures, source) == (KnownFigures(rate=3.0), "given or assumed")
    message = capsys.readouterr().err
    assert message.startswith("not read: errors, latency, accuracy: Prometheus does not answer")
    assert message.count("\n") == 1


def test_series_that_are_there_and_cannot_be_read_end_with_2(tmp_path, monkeypatch):
    class Unreadable:
        def observe(self, asks, _now):
            return {ask.rollout: Answer(problems={"errors": "a bucket is odd"}) for ask in asks}

    monkeypatch.setattr(doctor_tools, "observer", lambda _: Unreadable())
    monkeypatch.setattr(doctor_tools, "instant_query", lambda _: lambda _server, _text: [])
    file = tmp_path / "plan.yaml"
    file.write_text(yaml.safe_dump(plan().document()))
    done = rehearse(file, "--runs", "1")
    assert done.exit_code == 2
    assert "would be blind: errors: a bucket is odd" in done.output


def test_so_do_series_without_a_label_that_the_plan_relies_on(tmp_path, monkeypatch):
    class Silent:
        def observe(self, asks, _now):
            return {ask.rollout: Answer() for ask in asks}

    rows = [({"envoy_response_code": "200"}, 1.0)]
    monkeypatch.setattr(doctor_tools, "observer", lambda _: Silent())
    monkeypatch.setattr(doctor_tools, "instant_query", lambda _: lambda _server, _text: rows)
    file = tmp_path / "plan.yaml"
    file.write_text(yaml.safe_dump(plan().document()))
    done = rehearse(file, "--runs", "1")
    assert done.exit_code == 2
    assert "has the label destination_version" in done.output


def test_help_comes_after_schema():
    listed = CliRunner().invoke(surefoot, ["--help"]).output
    assert listed.index("  schema ") < listed.index("  rehearse ") < listed.index("  run ")
    assert "latency=+50%" in rehearse("--help").output


@pytest.mark.no_cover  # many runs of what other tests cover
def test_examples_can_be_rehearsed():
    examples = Path(__file__).parents[4] / "manifests/examples"
    for path in sorted([*examples.glob("0[12567]-*.yaml"), *examples.glob("12-*.yaml")]):
        assert rehearse(path, "--past", "0s", "--runs", 1, "--world", "dead:crash").exit_code == 0
