"""The states that a controller keeps are those that its journal's entries fold to."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rollout.tick.fleet
import rollout.tick.propose
from rollout.decide.fold import fold, fold_all
from rollout.decide.record.facts import HumanSaid
from rollout.journal.memory import MemoryJournal
from tests.support.worlds import BAD, GOOD, Behaviour, Lab, plan

SECONDS = 40
commands = st.sampled_from(["pause", "resume", "promote", "abort"])


@dataclass
class Interrupted:
    """A journal into which a person's word slips, right before some of the appends."""

    journal: MemoryJournal
    commands_at: dict[int, str]
    appends: int = 0
    slipped: list[HumanSaid] = field(default_factory=list)

    def append(self, facts: Any, after: int) -> Any:
        self.appends += 1
        command = self.commands_at.get(self.appends)
        if command:
            command_fact = HumanSaid(
                rollout=facts[0].rollout, at=facts[0].at, command=command, actor="a"
            )
            self.journal.append([command_fact], after)
            self.slipped.append(command_fact)
        return self.journal.append(facts, after)

    def read(self, after: int = 0) -> Any:
        return self.journal.read(after)

    def scan(self) -> Any:
        return self.journal.scan()

    def read_at(self, places: Any) -> Any:
        return self.journal.read_at(places)


def folded(lab: Lab) -> Any:
    return fold_all((entry.seq, entry.fact) for entry in lab.entries)


@settings(deadline=None, max_examples=15)
@given(
    canary=st.sampled_from([GOOD, BAD, Behaviour(score=0.56)]),
    seed=st.integers(0, 10_000),
    commands_at=st.dictionaries(st.integers(2, 60), commands, max_size=3),
    faults=st.lists(st.sampled_from(["dark", "stuck", "down", "hidden"]), max_size=3),
)
def test_a_kept_state_is_what_the_journal_folds_to(canary, seed, commands_at, faults):
    journal = Interrupted(MemoryJournal(), commands_at)
    lab = Lab(canary, seed=seed, journal=journal, plan=plan(warmup="2s"))
    state, next_seq = None, 0
    for second in range(SECONDS):
        fault = faults[second // 10] if second // 10 < len(faults) else ""
        lab.world.dark = fault == "dark"
        lab.world.hidden = {"latency"} if fault == "hidden" else set()
        lab.router.stuck, lab.router.down = fault == "stuck", "gone" if fault == "down" else ""
        lab.controller.tick()
        for entry in journal.read(next_seq):
            state, next_seq = fold(state, entry.fact, entry.seq), entry.seq
        assert lab.state == state
        lab.clock.sleep(1.0)
    assert lab.state == folded(lab)
    assert all(word in lab.facts for word in journal.slipped)


@pytest.fixture
def folds(monkeypatch):
    """How often each entry's place was folded for."""
    count: Counter[int] = Counter()

    def counted(state, fact, seq):
        count[seq] += 1
        return fold(state, fact, seq)

    for module in (rollout.tick.propose, rollout.tick.fleet):
        monkeypatch.setattr(module, "fold", counted)
    return count


def test_every_fact_is_folded_once(folds):
    lab = Lab(GOOD)
    lab.run(60)
    assert folds == dict.fromkeys(range(1, len(lab.entries) + 1), 1)


def test_a_proposed_step_is_thrown_away_when_somebody_came_first(folds):
    lab = Lab(GOOD, journal=(journal := Interrupted(MemoryJournal(), {9: "pause"})))
    lab.run(20)
    (word,) = journal.slipped
    assert folds[lab.facts.index(word) + 1] == 2  # the step that was lost, and the word itself
    assert lab.state == folded(lab)


class Altering(MemoryJournal):
    """A journal that takes another fact than it was given."""

    def append(self, facts, after):
        changed = [
            fact.model_copy(update={"series": {}}) if fact.kind == "observed" else fact
            for fact in facts
        ]
        return super().append(changed, after)


def test_what_the_journal_took_counts_not_what_was_thought():
    lab = Lab(GOOD, journal=Altering())
    lab.run(10)
    assert lab.state == folded(lab)
    assert not any(guardrail.cursor.started for guardrail in lab.state.guardrails.values())
