"""Years of a journal, sealed one by one: each verifies alone, and what is whole can be read."""

from __future__ import annotations

import json
from contextlib import closing

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.decide.record.facts import Decided
from rollout.journal.sql.store import open_journal
from rollout.simulate.ports import VirtualClock
from tests.support.worlds import BAD, GOOD, Lab, plan

YEAR = 31_557_600.0


def call(*arguments: object):
    return CliRunner().invoke(surefoot, [*map(str, arguments)])


@pytest.fixture(scope="module")
def years(tmp_path_factory):
    """A folder with a journal of three years, sealed at the end of each; and the years' names."""
    folder = tmp_path_factory.mktemp("years")
    journal, key, signed = folder / "journal.db", folder / "k", folder / "checkpoints.txt"
    first = 1
    for year, canary in enumerate((GOOD, BAD, GOOD)):
        with closing(open_journal(journal)) as opened:
            declared = plan(f"year-{year}", service=f"service-{year}")
            clock = VirtualClock(time=1_609_459_200.0 + year * YEAR)
            Lab(canary, declared, journal=opened, clock=clock).run()
            head = opened.head()
        more = () if key.exists() else ("--new-key", "hospital.example/s")
        if more:
            printed = call("checkpoint", "--journal", journal, "--key", key, *more)
            (folder / "v").write_text(printed.stdout.splitlines()[0])
        call("checkpoint", "--journal", journal, "--key", key, "--to", signed)
        sealed = folder / f"{year}.jsonl"
        done = call(
            *("export", "--journal", journal, "--checkpoints", signed),
            *("--from", first, "--to", head, sealed),
        )
        assert done.exit_code == 0, done.output
        first = head + 1
    return folder


@pytest.mark.parametrize("year", range(3))
def test_each_year_verifies_without_the_others(years, year, tmp_path):
    alone = tmp_path / f"{year}.jsonl"
    alone.write_bytes((years / f"{year}.jsonl").read_bytes())
    done = call("verify", "--journal", alone, "--verifier", years / "v")
    assert done.exit_code == 0
    assert "are whole and signed with all before them" in done.output
    assert "come out as recorded" in done.output


def join(years, tmp_path):
    """The years without their first lines, as `tail -qn +2` prints them."""
    whole = tmp_path / "whole.jsonl"
    lines = [line for year in range(3) for line in _read_lines(years / f"{year}.jsonl")[1:]]
    whole.write_text("".join(lines))
    return whole


def _read_lines(path):
    return path.read_text().splitlines(keepends=True)


def test_a_segment_with_the_journal_s_first_entry_is_read_by_every_command(years):
    (*_, last) = (
        entry
        for line in call("log", "--json", "--journal", years / "0.jsonl").stdout.splitlines()
        if (entry := json.loads(line))["kind"] == "decided"
    )
    assert (last["action"], last["at"][:4]) == ("promote", "2021")
    why = call("why", last["seq"], "--journal", years / "0.jsonl")
    assert "the same decision" in why.output
    for command in (["status"], ["verdict", "year-0"], ["wait", "year-0"], ["log", "-n", 3]):
        assert call(*command, "--journal", years / "0.jsonl").exit_code == 0


def test_a_later_segment_is_refused_with_what_makes_it_whole(years, tmp_path):
    refused = call("log", "--journal", years / "1.jsonl")
    assert (refused.exit_code, "tail -qn +2" in refused.output) == (1, True)
    whole, journal = join(years, tmp_path), years / "journal.db"
    assert call("log", "--journal", whole).stdout == call("log", "--journal", journal).stdout
    with closing(open_journal(journal)) as opened:
        newest = [entry.seq for entry in opened.read() if isinstance(entry.fact, Decided)][-1]
    assert call("why", newest, "--journal", whole).exit_code == 0


def test_a_recording_that_lost_a_year_is_not_called_whole(years, tmp_path):
    whole = tmp_path / "whole.jsonl"
    lines = [line for year in (0, 2) for line in _read_lines(years / f"{year}.jsonl")[1:]]
    whole.write_text("".join(lines))
    assert call("verify", "--journal", whole).exit_code == 1
    assert call("log", "--journal", whole).exit_code == 1
