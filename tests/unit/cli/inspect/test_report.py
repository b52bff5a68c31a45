"""One file that opens offline, and the notebooks beside it."""

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot
from tests.support.undrawn import leave_charts_out

RECORDED = Path(__file__).parents[4] / "notebooks" / "data" / "demo.jsonl"
BAD = "discharge-summarizer-v3"


def call(*arguments):
    return CliRunner().invoke(surefoot, [*map(str, arguments)])


def write_report(path, *more):
    done = call("report", BAD, "--journal", RECORDED, "--to", path, *more)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A report as it is written, charts and all, and what its command prints."""
    path = tmp_path_factory.mktemp("report") / "own.html"
    return path, write_report(path)


@pytest.fixture(scope="module")
def document():
    """The same as JSON."""
    return json.loads(call("report", BAD, "--journal", RECORDED, "--json").output)


class Reader(HTMLParser):
    """Notes what a page names: ids, links, and whatever is loaded."""

    def __init__(self):
        super().__init__()
        self.ids, self.links, self.loaded, self.tags = set(), set(), set(), set()

    def handle_starttag(self, tag, attributes):
        own = dict(attributes)
        self.tags.add(tag)
        self.ids.add(own.get("id"))
        self.links.add(own.get("href"))
        self.loaded |= {own.get("src"), own.get("srcset")}


def test_a_report_is_one_file_that_loads_nothing_and_runs_nothing(report):
    path, output = report
    assert "rolled back after 23s" in output
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    assert {link[1:] for link in reader.links - {None}} <= reader.ids
    assert all(own.startswith("data:image/svg+xml;base64,") for own in reader.loaded - {None})
    assert not reader.tags & {"script", "link", "iframe", "object"}
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_same_record_gives_the_same_bytes(report, tmp_path):
    path, _ = report
    again = tmp_path / "again.html"
    write_report(again)
    assert again.read_bytes() == path.read_bytes()


def test_a_report_has_the_log_the_digests_and_the_replay(report, document):
    path, _ = report
    text = path.read_text(encoding="utf-8")
    assert document["replay"] == {"looks": 12, "decisions": 8, "differ": []}
    for key in ("digest", "hash", "rollout"):
        assert document[key] in text
    assert "all 8 decisions come out as recorded" in text
    for row in document["tables"]["timeline"]:
        assert row["sentence"].split(":")[0] in text


def test_the_keys_of_the_json_are_stable(document):
    assert [*document] == [
        *("rollout", "name", "card", "tables", "replay", "plan", "digest", "first_entry"),
        *("last_entry", "hash", "build"),
    ]
    assert [*document["tables"]] == [
        *(
            "scorecard",
            "health",
            "timeline",
            "quantiles",
            "segments",
            "goals",
            "pairs",
            "quality",
            "uplift",
            "sensitivity",
            "power",
            "share",
        ),
    ]


def test_a_link_is_not_followed_and_a_file_is_replaced(tmp_path, monkeypatch):
    leave_charts_out(monkeypatch)
    target, link, plain = tmp_path / "target", tmp_path / "link.html", tmp_path / "plain.html"
    target.write_text("mine")
    link.symlink_to(target)
    plain.write_text("old")
    plain.chmod(0o644)
    assert call("report", BAD, "--journal", RECORDED, "--to", link).exit_code == 2
    assert target.read_text() == "mine"
    write_report(plain)
    assert plain.stat().st_mode & 0o777 == 0o600


def test_an_altered_journal_is_refused_and_marked_where_it_is_forced(tmp_path, monkeypatch):
    leave_charts_out(monkeypatch)
    lines = RECORDED.read_text(encoding="utf-8").splitlines()
    altered = tmp_path / "altered.jsonl"
    altered.write_text("\n".join([*lines[:70], *lines[71:]]))
    refused = call("report", BAD, "--journal", altered, "--to", tmp_path / "own.html")
    assert refused.exit_code == 1
    assert "entry 71 is missing" in refused.output
    assert "--force" in refused.output
    path = tmp_path / "own.html"
    done = call("report", BAD, "--journal", altered, "--to", path, "--force")
    assert done.exit_code == 0, done.output
    assert "NOT VERIFIED: entry 71 is missing" in path.read_text(encoding="utf-8")


def test_the_notebooks_are_copied_once(tmp_path):
    folder = tmp_path / "review"
    done = call("notebooks", folder)
    assert done.exit_code == 0
    assert (folder / "01_review_a_rollout.ipynb").exists()
    assert (folder / "data" / "demo.jsonl").exists()
    (folder / "05_audit.ipynb").write_text("mine")
    again = call("notebooks", folder)
    assert "0 files copied" in again.output
    assert "left as they were" in again.output
    assert (folder / "05_audit.ipynb").read_text() == "mine"


@pytest.mark.parametrize("words", [("--json", "--to", "x.html")])
def test_contradictions_are_refused(words):
    assert call("report", BAD, "--journal", RECORDED, *words).exit_code == 2
