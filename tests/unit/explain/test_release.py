"""Each view of a rollout names the release that its plan declares, and none where it has none."""

import json

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.decide.record.facts import Decided
from rollout.journal import jsonl
from rollout.journal.memory import MemoryJournal
from rollout.plan.model.release import Release
from tests.support.worlds import Lab, plan
from tests.unit.page.conftest import RECORDED, pages_of

PROMPT = "sha256:" + "a" * 64
RELEASE = {"prompt": PROMPT, "model": "summarizer-7b"}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A recording of a rollout with a release, its digest, and the number of a decision."""
    journal = MemoryJournal()
    lab = Lab(plan=plan(release=RELEASE), journal=journal)
    lab.run(10)
    file = tmp_path_factory.mktemp("release") / "journal.jsonl"
    jsonl.export(journal.rows(), file)
    number = next(entry.seq for entry in lab.entries if isinstance(entry.fact, Decided))
    return file, Release.model_validate(RELEASE).described["digest"], number


def call(*arguments):
    done = CliRunner().invoke(surefoot, [*map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_log_and_the_status_name_it(recorded):
    file, digest, _ = recorded
    assert f", release {digest}" in call("log", "--journal", file)
    assert digest in call("status", "--journal", file)
    (status,) = json.loads(call("status", "--journal", file, "--json"))
    assert status["release"] == {"digest": digest} | RELEASE


def test_why_says_what_it_is_of(recorded):
    file, digest, number = recorded
    words = f"release    {digest} (model summarizer-7b, prompt {PROMPT})"
    assert words in call("why", number, "--journal", file)
    explained = json.loads(call("why", number, "--journal", file, "--json"))
    assert explained["release"] == {"digest": digest} | RELEASE


def test_the_page_shows_it(recorded):
    file, digest, number = recorded
    pages = pages_of(file)
    pages.reader.refresh()
    (rollout,) = pages.reader.states()
    for page in (pages.rollout(rollout), pages.decision(number)):
        assert f"<dt>release</dt><dd><code>{digest}</code>" in page
        assert f"<dt>prompt</dt><dd><code>{PROMPT}</code>" in page


def test_a_plan_without_one_says_nothing_of_it():
    assert "release sha256" not in call("log", "--journal", RECORDED)
    assert json.loads(call("status", "--journal", RECORDED, "--json"))[0]["release"] is None
