"""What the pages say, whoever wrote what is in the journal."""

from __future__ import annotations

import os
import re
import stat
from html.parser import HTMLParser

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from analysis.verdict.readout import Readout
from rollout.cli import surefoot
from rollout.decide.record.facts import Calibrated, HumanSaid
from rollout.errors import InputError, JournalError
from rollout.explain.recorded import list_recorded_lines
from rollout.explain.status import Line, report
from rollout.journal.jsonl import LinesJournal, export
from rollout.journal.memory import MemoryJournal
from rollout.page import views
from rollout.page.app import RecentPages
from rollout.page.pages import PageSet
from rollout.page.reader import JournalReader
from rollout.page.render import FileLinks, Links
from rollout.page.site import write_site
from tests.support.worlds import BAD, Lab
from tests.unit.page.conftest import NOW, RECORDED, pages_of

ATTACK = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u202e\x1b[31m"


def say(lab, command, words="a person"):
    fact = HumanSaid(
        rollout=lab.rollout, at=lab.clock.now(), command=command, actor=words, reason=words
    )
    lab.journal.append([fact], lab.journal.read()[-1].seq)


class _Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def tags_of(html):
    parser = _Tags()
    parser.feed(html)
    return parser.tags


def test_a_ratio_of_sums_is_a_number_and_no_interval_of_evidence():
    readout = Readout(canary=9, stable=90, canary_bad=900, stable_bad=4500, ratio=2.0)
    (bar,) = views.bars([Line("tokens", "shown", "it decides nothing", readout)])
    assert bar.words == "2.00 times stable's"
    assert bar.estimate is None
    assert views.SHAPES["shown"]


def test_those_that_need_a_person_come_first(pages):
    lab = Lab()
    lab.run(10)
    say(lab, "pause")
    lab.run(4)
    pages.reader.refresh()
    states = {lab.rollout: lab.state, **pages.reader.states()}
    first, *rest = views.cards(states, lab.clock.now())
    assert (first.standing.rollout, first.calls) == (lab.rollout, "paused")
    assert [card.standing.phase for card in rest] == ["rolled back", "promoted"]


def test_a_page_says_what_status_says(pages):
    html = pages.rollout("discharge-summarizer-v3-e6a331de")
    assert "Roll back v3 from 25 % to 0 %, all traffic to v2: latency above 120" in html
    assert 'aria-current="step"' in html
    assert re.search(r"harmful</span>", html)


def test_goals_stand_on_the_page_of_a_plan_that_has_any(pages):
    trial = pages_of(RECORDED.with_name("experiment.jsonl"))
    trial.reader.refresh()
    (rollout,) = trial.reader.states()
    page = trial.rollout(rollout)
    assert "accuracy: better" in page
    assert "were 0.5 or less" in page
    pages.reader.refresh()
    (other, *_) = pages.reader.states()
    assert "<h2>Goals</h2>" not in pages.rollout(other)


def test_a_service_has_every_rollout_newest_first(pages):
    html = pages.service("clinical-ai", "discharge-summarizer")
    assert html.index("rolled back") < html.index("promoted")
    assert "stable version now: <code>v2</code>" in html


def test_a_service_s_ended_rollouts_are_shown_as_they_were_decided_and_not_folded(pages):
    html = pages.service("clinical-ai", "discharge-summarizer")
    states = pages.reader.states()
    assert not any(state.guardrails for state in states.values()), "no evidence was read for it"
    for state in states.values():
        lines = list_recorded_lines(state)
        assert [line.name for line in lines] == [own.name for own in state.plan.spec.guardrails]
        for line in lines:
            own = state.last.numbers["guardrails"][line.name]
            assert (
                vars(line.readout).items()
                >= {
                    key: own[key] for key in ("canary", "canary_bad", "low", "high", "harm", "safe")
                }.items()
            )
            assert f"{own['canary_bad']:,} of {own['canary']:,}" in html


def test_a_rollout_is_found_by_its_plan_s_name_as_by_commands(pages):
    by_id = pages.rollout("discharge-summarizer-v3-e6a331de")
    assert (
        pages.rollout("discharge-summarizer-v3").partition("<footer>")[0]
        == by_id.partition("<footer>")[0]
    )
    with pytest.raises(InputError, match="there is no rollout 'discharge-summarizer'"):
        pages.rollout("discharge-summarizer")


def test_an_entry_before_all_decisions_is_none_of_them(pages):
    with pytest.raises(InputError, match="entry 1 is not a decision; none came before it"):
        pages.decision(1)


def test_a_decision_is_explained_and_decided_again(pages):
    html = pages.decision(75)
    assert "Decided again from the recorded counts: the same decision." in html
    assert "the mesh shows 0 % (decision 75)" in html
    with pytest.raises(InputError, match="is not a decision"):
        pages.decision(76)


def test_every_effect_is_told_from_the_decision_to_the_counted_share(pages):
    html = pages.decision(18)
    assert "the mesh shows 25 % (decision 18)" in html
    assert "the canary got 25.68 % of 1,106 requests that were counted after that" in html
    assert "requests that were counted" not in pages.decision(75), "nothing was counted later"
    bad = pages.rollout("discharge-summarizer-v3-e6a331de")
    assert "the canary got 12.75 % of 1,906 requests, expected 12.47 %" in bad


def test_an_entry_s_id_is_beside_its_hash_and_leads_to_it_in_this_journal_alone(pages):
    chain = pages.rows(0)["rows"][0]["hash"][:12]
    assert f"<code>{chain}.75</code>" in pages.decision(75, chain)
    for html in (pages.log({}), pages.rollout("discharge-summarizer-v3-e6a331de")):
        assert f"id <code>{chain}.75</code> · hash" in html
    assert f"chain <code>{chain}</code>" in pages.verify()
    with pytest.raises(InputError, match="of another chain"):
        pages.decision(75, "0" * 12)


def test_what_led_to_a_decision_is_none_of_its_calibration_s():
    """It is recorded under the rollout's id, and belongs to no state of it."""
    lab = Lab()
    lab.run(30)
    facts = [
        *lab.facts,
        Calibrated(
            rollout=lab.rollout,
            at=lab.clock.now(),
            runs=9,
            rolled_back=0,
            untested=0,
            bound=0.1,
            level=0.95,
            alpha=0.01,
            pods=3,
            canary_pods=1,
            history=60.0,
            window=10.0,
            seed=1,
        ),
    ]
    journal = MemoryJournal()
    journal.append(facts, 0)
    pages = PageSet(JournalReader(journal, lambda: NOW, pause=0), journal, Links())
    assert pages.rollout(lab.rollout)
    *_, number = (line.seq for line in pages.reader.headlines() if line.action)
    assert "the same decision" in pages.decision(number)
    assert pages.replay()["differ"] == []
    assert pages.charts.draw(lab.rollout, "weight", "light")


def test_words_of_others_are_text_on_every_page(tmp_path):
    journal = MemoryJournal()
    lab = Lab(journal=journal)
    lab.run(10)
    say(lab, "abort", ATTACK)
    lab.run(20)
    file = tmp_path / "attacked.jsonl"
    export(journal.rows(), file)
    attacked = pages_of(file)
    attacked.home()
    numbers = [line.seq for line in attacked.reader.headlines() if line.action]
    htmls = [attacked.home(), attacked.rollout(lab.rollout), attacked.log({"actor": ATTACK})]
    htmls += [attacked.log({"rollout": ATTACK}), *map(attacked.decision, numbers)]
    assert any("alert(1)" in html for html in htmls), "it is shown"
    for html in htmls:
        tags = tags_of(html)
        sources = [attrs["src"] for tag, attrs in tags if tag == "img"]
        assert all(source.startswith("/rollouts/") for source in sources)
        assert all("src" in attrs for tag, attrs in tags if tag == "script")
        assert not [name for _, attrs in tags for name in attrs if name.startswith("on")]
        assert "\x1b" not in html
        assert "\u202e" not in html


def test_an_edited_journal_is_shown_as_broken(tmp_path):
    file = tmp_path / "edited.jsonl"
    lines = RECORDED.read_text().splitlines(keepends=True)
    lines[40] = lines[40].replace("8s", "9s", 1) if "8s" in lines[40] else lines[40][:-3] + "x\n"
    file.write_text("".join(lines))
    with pytest.raises(JournalError):
        pages_of(file).home()


def test_a_reader_keeps_up_with_what_is_appended():
    lab = Lab()
    reader = JournalReader(lab.journal, lab.clock.now, pause=0)
    lab.run(10)
    reader.refresh()
    before = len(reader.headlines())
    lab.run(60)
    reader.refresh()
    assert reader.head == lab.journal.read()[-1].seq
    assert len(reader.headlines()) > before
    assert reader.states()[lab.rollout] == lab.state
    entries = reader.entries_of(lab.rollout)
    assert [e.seq for e in entries] == [
        e.seq for e in lab.journal.read() if e.fact.rollout == lab.rollout
    ]


def test_the_site_opens_without_a_server_and_every_link_leads_somewhere(tmp_path):
    journal = LinesJournal(RECORDED)
    pages = PageSet(JournalReader(journal, lambda: NOW, pause=0), journal, FileLinks())
    count = write_site(pages, tmp_path / "site")
    files = {file.name for file in (tmp_path / "site").iterdir()}
    assert len(files) == count
    assert [name for name in files if name.endswith("-dark.svg")]
    for name in files:
        if name.endswith(".html"):
            for tag, attrs in tags_of((tmp_path / "site" / name).read_text()):
                target = attrs.get("href") or attrs.get("src") or attrs.get("srcset") or "#"
                is_graph = target.startswith("http://127.0.0.1")  # of the recorded Prometheus
                assert target.startswith("#") or is_graph or target in files, (tag, target)


def test_a_site_is_not_written_through_a_link(tmp_path):
    victim, folder = tmp_path / "victim", tmp_path / "site"
    folder.mkdir()
    victim.write_text("kept")
    (folder / "index.html").symlink_to(victim)
    journal = LinesJournal(RECORDED)
    pages = PageSet(JournalReader(journal, lambda: NOW, pause=0), journal, FileLinks())
    with pytest.raises(InputError, match=r"index\.html is no plain file"):
        write_site(pages, folder)
    assert victim.read_text() == "kept"


def test_a_site_replaces_files_and_waits_for_no_pipe(tmp_path):
    folder, other = tmp_path / "site", tmp_path / "other"
    folder.mkdir()
    other.write_text("kept")
    os.link(other, folder / "index.html")
    other.chmod(0o666)
    journal = LinesJournal(RECORDED)
    pages = PageSet(JournalReader(journal, lambda: NOW, pause=0), journal, FileLinks())
    write_site(pages, folder)
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert other.read_text() == "kept"
    (folder / "log.html").unlink()
    os.mkfifo(folder / "log.html")
    with pytest.raises(InputError, match=r"log\.html is no plain file"):
        write_site(pages, folder)


def test_a_folder_of_others_is_left_as_it_is_unless_forced(tmp_path):
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "index.html").write_text("<title>My pages</title>")
    call = ["site", str(folder), "--journal", str(RECORDED)]
    refused = CliRunner().invoke(surefoot, call)
    assert (refused.exit_code, "add --force" in refused.stderr) == (2, True)
    assert [file.name for file in folder.iterdir()] == ["index.html"]
    assert (folder / "index.html").read_text() == "<title>My pages</title>"
    for more in (["--force"], []):  # the second time it is a site of ours
        assert CliRunner().invoke(surefoot, [*call, *more]).exit_code == 0
    assert len([*folder.iterdir()]) > 10


def test_evidence_beyond_what_decides_is_told_as_it_is_and_drawn_to_the_end():
    lab = Lab(BAD)
    lab.run()
    assert isinstance(lab.journal, MemoryJournal)
    pages = PageSet(JournalReader(lab.journal, lab.clock.now, pause=0), lab.journal, Links())
    (decision,) = (e for e in lab.entries if getattr(e.fact, "action", "") == "roll back")
    status = report(lab.rollout, lab.state, lab.clock.now())
    largest = max(round((line.readout.harm or 0) * 100) for line in status.guardrails)
    assert largest > 100
    html = pages.rollout(lab.rollout)
    assert f"<small>{largest:,} %</small>" in html
    assert f"{largest:,} %" in pages.decision(decision.seq)
    assert max(map(float, re.findall(r'class="share" width="([0-9.]+)"', html))) == 100


@given(st.text(max_size=30), st.text(max_size=30))
def test_two_names_are_never_one_file_and_a_file_is_never_elsewhere(name, other):
    links = FileLinks()
    names = links.rollout(name), links.rollout(other)
    assert (names[0] == names[1]) is (name == other)
    assert re.fullmatch(r"[A-Za-z0-9._-]+", names[0])


@given(st.text(min_size=1, max_size=30))
def test_an_address_is_one_segment(name):
    assert Links().rollout(name).count("/") == 2


def request_of(path):
    return Request({"type": "http", "path": path, "query_string": b"", "headers": []})


def test_many_viewers_of_a_page_cost_as_one_does():
    lab, paths = Lab(), []
    reader = JournalReader(lab.journal, lab.clock.now, pause=0)
    recent = RecentPages(PageSet(reader, MemoryJournal(), Links()))

    def make(_pages, request):
        paths.append(request.url.path)
        return f"{len(paths)}"

    lab.run(4)
    assert [recent.get(make, request_of("/")) for _ in range(50)] == ["1"] * 50
    assert recent.get(make, request_of("/log")) == "2"
    lab.run(30)  # something is recorded
    assert recent.get(make, request_of("/")) == "3"
    lab.clock.sleep(10)  # times on the page have grown
    assert recent.get(make, request_of("/")) == "4"
