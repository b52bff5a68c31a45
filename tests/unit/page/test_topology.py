"""The topology: versions, shares, rates, and what is unknown."""

from __future__ import annotations

from rollout.decide.record.facts import HumanSaid
from rollout.journal.memory import MemoryJournal
from rollout.page.pages import PageSet
from rollout.page.reader import JournalReader
from rollout.page.render import Links
from rollout.page.topology import UNKNOWN, TopologyRoom
from tests.support.worlds import BAD, GOOD, Lab, plan


def lines_of(lab):
    """The services of a controller's journal."""
    reader = JournalReader(lab.journal, lab.clock.now, pause=0)
    reader.refresh()
    return TopologyRoom(reader).lines()[0]


def test_a_rollout_under_way_has_both_versions_with_their_rates():
    lab = Lab()
    lab.run_until(lambda state: state.split.share > 0.2)
    lab.run(14)
    (line,) = lines_of(lab)
    stable, canary = line.versions
    assert (stable.version, stable.role) == ("v1", "stable")
    assert (canary.version, canary.role) == ("v2", "canary")
    assert canary.share == "50 %"
    assert all(version.rate.endswith("/s") for version in line.versions)
    assert all("ms" in version.slowest for version in line.versions)
    assert all(version.errors.endswith(" %") for version in line.versions)
    assert canary.uptime != UNKNOWN
    assert stable.uptime == UNKNOWN, "the journal does not hold when v1 began"


def test_before_any_look_all_is_unknown():
    (line,) = lines_of(Lab())
    for version in line.versions:
        assert {version.rate, version.slowest, version.errors} == {UNKNOWN}
    assert line.counted_at is None


def test_after_a_promotion_the_new_version_is_stable_and_serves_since_then():
    lab = Lab(GOOD)
    assert lab.run().phase == "promoted"
    (line,) = lines_of(lab)
    before, now = line.versions
    assert (before.role, before.share, before.uptime) == ("before", "0 %", "not serving")
    assert (now.role, now.share) == ("stable", "100 %")
    assert now.uptime not in {UNKNOWN, "not serving"}


def test_a_canary_that_did_harm_says_so():
    lab = Lab(BAD)
    lab.run()
    (line,) = lines_of(lab)
    assert line.versions[1].health == "harmful"
    assert line.versions[1].uptime == "not serving"


def test_services_under_way_come_first():
    """Though another one began later and has ended."""
    going = Lab(GOOD, plan("b", service="b"))
    going.run(10)
    ended = Lab(GOOD, plan("a", service="a"), journal=going.journal)
    abort = HumanSaid(
        rollout=ended.rollout, at=ended.clock.now(), command="abort", actor="x", reason=""
    )
    ended.journal.append([abort], ended.entries[-1].seq)
    assert ended.run(20).is_terminal
    assert not ended.controller.states[going.rollout].is_terminal
    assert [line.service for line in lines_of(ended)] == ["b", "a"]


def test_an_empty_journal_has_a_page():
    journal = MemoryJournal()
    pages = PageSet(JournalReader(journal, lambda: 0.0, pause=0), journal, Links())
    for html in (pages.topology(), pages.home(), pages.log({}), pages.verify()):
        assert "<h1>" in html
    assert "no rollout yet" in pages.topology()
