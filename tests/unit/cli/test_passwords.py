"""A password in a plan's URLs is in no output of any command; a recording needs a flag for it."""

from __future__ import annotations

import io
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from rich.console import Console

from rollout.cli import surefoot
from rollout.cli.text.live import Follower
from rollout.decide.record.facts import Decided, Learned, Started
from rollout.decide.record.route_facts import RouteFailed, RouteRead
from rollout.journal.sql.store import open_journal
from rollout.page.pages import PageSet
from rollout.page.reader import JournalReader
from rollout.page.render import Links
from tests.support.api_answers import api_answers
from tests.support.commands import Inputs, arguments, commands, keep_apart
from tests.support.worlds import Lab, document_of, plan, recorded_plan

SECRET = "s3cr3t-Horse"
URL = f"http://eve:{SECRET}@127.0.0.1:1"
MASKED = "http://eve:***@127.0.0.1:1"
SAYS = f"Envoy at {URL} does not answer"
ROUTE = {"envoy": {"file": "rds.json", "admin": URL}}
SPEC: dict[str, Any] = {"prometheus": {"url": URL, "scrape": "1s"}, "route": ROUTE}
ACCEPTED: dict[str, Any] = {"route": ROUTE}


def facts_of_an_older_version():
    """A rollout whose plan and texts hold the password, as older versions recorded them."""
    lab = Lab(plan=recorded_plan(**SPEC))
    lab.run(30)
    head = {"rollout": lab.rollout, "at": lab.clock.now()}
    moves = [fact for fact in lab.decisions if fact.action != "hold"]
    more = [
        Learned(**head, problems={"errors": SAYS}),
        RouteRead(**head, problem=SAYS, conditions=(SAYS,)),
        Decided(**head, **_without_head(moves[-1]) | {"sentence": SAYS}),
        RouteFailed(**head, decision=len(lab.facts) + 3, problem=SAYS, attempt=1),
    ]
    return [*lab.facts, *more]


def _without_head(fact):
    return fact.model_dump(exclude={"rollout", "at"})


@pytest.fixture(scope="module")
def facts():
    return facts_of_an_older_version()


@pytest.fixture
def journal(facts, tmp_path):
    path = tmp_path / "journal.db"
    with closing(open_journal(path)) as opened:
        opened.append(facts, after=0)
    return path


@pytest.fixture
def plan_file(tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(plan(**ACCEPTED).document()), encoding="utf-8")
    return path


@pytest.fixture
def inputs(facts, journal, plan_file, tmp_path):
    number = next(n for n, fact in enumerate(facts, start=1) if isinstance(fact, Decided))
    return Inputs(str(plan_file), str(journal), "demo", str(number), str(tmp_path / "out"))


@pytest.fixture(autouse=True)
def apart(monkeypatch, tmp_path):
    barred = ("demo.stage.Stage.__enter__", "wire.run.pacer", "wire.clock.SystemClock.sleep")
    paths = [f"rollout.{path}" for path in (*barred, "page.serve.serve")]
    keep_apart(monkeypatch, tmp_path, f"not in this test: {URL}", *paths)


def call(*words: object) -> str:
    """Run a command; return all that it prints, which has no password in it."""
    result = CliRunner().invoke(surefoot, [*map(str, words)])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert SECRET not in result.output
    return result.output


ALL = [*commands()]


@pytest.mark.parametrize(("path", "command"), ALL, ids=[" ".join(path) for path, _ in ALL])
def test_no_command_prints_it(path, command, inputs):
    words = [*path, *arguments(command, inputs)]
    if path == ("rehearse",):
        words[1:1] = ["--runs", "1"]
    assert call(*words)
    if "as_json" in {parameter.name for parameter in command.params}:
        call(words[0], "--json", *words[1:])


def test_the_log_hides_it_and_says_so(journal):
    assert MASKED in call("log", "--all", "--journal", journal)
    lines = [json.loads(line) for line in call("log", "--json", "--journal", journal).splitlines()]
    started = lines[0]
    assert started["plan"]["spec"]["prometheus"]["url"] == MASKED
    assert started["plan"]["spec"]["route"]["envoy"]["admin"] == MASKED
    assert started["redacted"] is True
    for line in lines:
        assert ("redacted" in line) == ("***" in json.dumps(line))


def test_the_journal_holds_the_plan_as_it_was_accepted(journal):
    with closing(open_journal(journal)) as opened:
        fact = opened.read()[0].fact
    assert isinstance(fact, Started)
    assert fact.plan["spec"]["prometheus"]["url"] == URL


def test_the_links_of_a_decision_hide_it(facts, journal):
    number = next(n for n, fact in enumerate(facts, start=1) if isinstance(fact, Decided))
    assert f"{MASKED}/graph?" in call("why", number, "--journal", journal)


def test_status_hides_it(journal):
    assert MASKED in call("status", "--json", "--journal", journal)
    assert "eve:***@" in call("status", "demo", "--journal", journal)


def test_no_answer_of_the_api_shows_it(journal):
    with closing(open_journal(journal)) as opened:
        answers = dict(api_answers(opened, "demo"))
    assert [path for path, text in answers.items() if SECRET in text] == []
    assert any("eve:***@" in text for text in answers.values())


def test_no_page_shows_it_and_its_rows_are_not_handed_out(journal, tmp_path):
    assert call("site", tmp_path / "site", "--journal", journal)
    pages = [file.read_text() for file in (tmp_path / "site").iterdir()]
    assert any("eve:***@" in text for text in pages)
    assert not [text for text in pages if SECRET in text]
    with closing(open_journal(journal)) as opened:
        reader = JournalReader(opened, lambda: 2e9)
        rows = PageSet(reader, opened, Links()).rows(0)["rows"]
    assert [row["text"] for row in rows if "eve" in str(row["text"])] == []
    assert rows[0]["text"] is None
    assert any(row["text"] for row in rows)


@pytest.mark.parametrize("command", ["check", "run", "doctor", "rehearse", "calibrate"])
def test_a_plan_that_begins_with_it_is_refused_with_the_cure(command, tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(document_of(**SPEC)), encoding="utf-8")
    text = call(command, path)
    assert "P006 remove the password from the address" in text
    assert "declare an access" in text
    assert MASKED in text


def test_a_rollout_under_way_goes_on_with_it(journal, tmp_path, monkeypatch):
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(document_of(**SPEC)), encoding="utf-8")
    text = call("run", path, "--journal", journal)
    assert "P006" not in text
    assert "not in this test" in text  # where it would begin to tick


def test_a_screen_hides_it(facts, journal, tmp_path):
    with closing(open_journal(journal)) as opened:
        follower = Follower()
        for entry in opened.read():
            follower.feed(entry)
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(follower.render(facts[-1].at))
    text = console.export_text()
    assert "eve:***@" in text
    assert SECRET not in text
    call("watch", "--at", len(facts), "--svg", tmp_path / "screen.svg", "--journal", journal)
    assert SECRET not in (tmp_path / "screen.svg").read_text()


@pytest.mark.parametrize("url", [URL, f"http://eve:{SECRET} x@127.0.0.1:1"])
def test_a_mistake_beside_it_is_explained_without_it(url, tmp_path):
    document = yaml.safe_dump(plan().document())
    path = tmp_path / "plan.yaml"
    line = f"  prometheus: {{url: {url}, scrap: 1s}}\n"
    others = document[: document.index("  prometheus:")] + document[document.index("  ramp:") :]
    path.write_text(others + line, encoding="utf-8")
    for words in (["check"], ["check", "--output", "json"], ["run"], ["doctor"], ["rehearse"]):
        text = call(*words, path)
        assert "P003" in text
    block = call("check", path).splitlines()
    *_, row = (index for index, text in enumerate(block) if "eve:***@" in text)
    assert block[row + 1].index("^") == block[row].index("scrap")


def test_a_recording_of_it_needs_a_flag(journal, tmp_path):
    path: Path = tmp_path / "copy.jsonl"
    refused = CliRunner().invoke(
        surefoot, ["log", "--export", str(path), "--journal", str(journal)]
    )
    assert refused.exit_code == 2
    assert "entry 1 holds the password of a URL" in refused.stderr
    assert "--with-secrets" in refused.stderr
    assert SECRET not in refused.output
    assert not path.exists()
    call("log", "--export", path, "--with-secrets", "--journal", journal)
    assert SECRET in path.read_text()
    assert MASKED in call("log", "--journal", path)
