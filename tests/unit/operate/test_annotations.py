"""Undo and retry by annotation: heard once, recorded, and over with where they make no sense."""

from __future__ import annotations

import pytest

from rollout.decide.record.facts import HumanSaid
from rollout.operate.annotations import LIMIT, requested_command
from tests.support.plans import Operated, resource
from tests.support.worlds import BAD, GOOD


def annotate(world, **words):
    held = world.cluster.held["default/demo"]["metadata"]
    held["annotations"] = {f"surefoot.dev/{key}": text for key, text in words.items()}


def ended(canary=GOOD):
    world = Operated(canary)
    world.apply()
    world.run_until(lambda: world.states and all(s.is_terminal for s in world.states.values()))
    world.run()
    return world


def list_commands(world):
    facts = [entry.fact for entry in world.journal.read()]
    return [(f.command, f.actor, f.reason) for f in facts if isinstance(f, HumanSaid)]


def test_an_undo_is_carried_out_and_shown():
    world = ended()
    assert world.status()["stable"] == "v2"
    annotate(world, undo="ticket 7, ada")
    world.run(2)
    status = world.status()
    assert (status["phase"], status["stable"]) == ("undone", "v1")
    assert world.condition("Undone") == ("True", "HumanUndo", status["decision"]["sentence"])
    assert world.condition("Promoted")[0] == "False"
    assert list_commands(world) == [("undo", "kubernetes", "ticket 7, ada")]
    assert world.reasons()[-3:] == ["Asked", "Undo", "Undone"]


def test_a_retry_begins_once_also_after_a_restart():
    world = ended(BAD)
    annotate(world, retry="the cache was cold")
    world.run(1)
    first, second = world.states
    assert world.status()["rollout"] == second
    world.restart()
    world.run_until(lambda: len(world.states) == 2 and world.states[second].is_terminal)
    world.run(5)
    assert len(world.states) == 2, "the same text is heard once"
    annotate(world, retry="once more")
    world.run(1)
    assert len(world.states) == 3
    assert world.states[first].phase == "rolled back"


@pytest.mark.parametrize(("word", "canary"), [("retry", GOOD), ("undo", BAD)])
def test_what_makes_no_sense_is_recorded_and_over_with(word, canary):
    world = ended(canary)
    annotate(world, **{word: "x"})
    world.run(5)
    assert [fact_words[0] for fact_words in list_commands(world)] == [word]
    assert len(world.states) == 1


def test_a_text_that_was_there_before_the_end_does_nothing_then():
    world = Operated(BAD)
    world.apply()
    world.run(1)
    annotate(world, retry="from a template")
    world.run_until(lambda: all(s.is_terminal for s in world.states.values()))
    world.run(5)
    assert len(world.states) == 1
    answers = [e.fact.reasons for e in world.journal.read() if e.fact.kind == "decided"]
    assert ("nothing-to-retry",) in answers


def test_a_retry_that_may_not_begin_yet_says_why_and_is_kept():
    world = ended(BAD)
    world.apply("other", canary={"version": "v3"})
    world.run(1)
    annotate(world, retry="soon")
    world.run(1)
    assert world.condition("Accepted")[:2] == ("False", "Refused")
    assert "is being rolled out by other" in world.condition("Accepted")[2]
    assert list_commands(world) == []


def test_deleting_a_plan_while_its_promotion_is_undone_says_nothing_more():
    world = ended()
    annotate(world, undo="x")
    world.router.stuck = True
    world.run(2)
    world.cluster.delete("demo")
    world.run(3)
    assert [fact_words[0] for fact_words in list_commands(world)] == ["undo"]


def test_texts_are_cut_and_empty_ones_are_none():
    manifest = resource()
    manifest["metadata"]["annotations"] = {"surefoot.dev/retry": " " + "x" * 999}
    assert requested_command(manifest, set()) == ("retry", "x" * LIMIT)
    assert requested_command(manifest, {("retry", "x" * LIMIT)}) is None
    manifest["metadata"]["annotations"] = {"surefoot.dev/retry": "  "}
    assert requested_command(manifest, set()) is None


def test_a_forced_undo_is_recorded_as_forced_and_heard_once():
    world = ended()
    annotate(world, **{"force-undo": "ticket 7"})
    world.run(2)
    assert world.status()["phase"] == "undone"
    (fact,) = [e.fact for e in world.journal.read() if isinstance(e.fact, HumanSaid)]
    assert (fact.command, fact.forced) == ("undo", True)
    world.restart()
    world.run(2)
    assert len(list_commands(world)) == 1


def test_an_undo_waits_for_the_old_version_s_endpoints():
    world = ended()
    world.router.has_stable_endpoints = False
    annotate(world, undo="ticket 7")
    world.run(2)
    assert world.status()["phase"] == "promoted"
    status, reason, message = world.condition("Accepted")
    assert (status, reason) == ("False", "Refused")
    assert message.startswith("undo: v1 has no ready endpoint")
    assert list_commands(world) == []
    world.router.has_stable_endpoints = True
    world.run(12)
    assert world.status()["phase"] == "undone"
    assert world.condition("Accepted")[0] == "True"


def test_a_forced_undo_asks_for_no_endpoints():
    world = ended()
    world.router.has_stable_endpoints = False
    annotate(world, **{"force-undo": "ticket 7"})
    world.run(2)
    assert world.status()["phase"] == "undone"


def test_a_text_that_steers_a_terminal_is_recorded_clean_and_heard_once():
    world = ended()
    annotate(world, undo="ticket\x1b[2J 7\u202e\nada")
    world.run(10)
    assert list_commands(world) == [("undo", "kubernetes", "ticket[2J 7 ada")]
