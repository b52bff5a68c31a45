"""Looks that the observer counts, through whole ticks: what is recorded, after whatever happens."""

from __future__ import annotations

import pytest

from analysis.counting.counts import Counts
from rollout.decide.fold import fold
from rollout.decide.record.facts import Decided, Observed
from rollout.decide.step import step
from rollout.errors import JournalError
from rollout.journal.hash_chain import parse, seal
from rollout.journal.memory import MemoryJournal
from rollout.ports import Ask
from rollout.tick.propose import ask
from tests.support.clients import ClientLab

NAMES = ("errors", "latency")


def total(lab, name="errors"):
    looks = [fact.tallies[name] for fact in observed(lab) if name in fact.tallies]
    return sum((tally.counts for tally in looks), Counts())


def observed(lab):
    return [entry.fact for entry in lab.journal.read() if isinstance(entry.fact, Observed)]


def served_since_baseline(lab, name="errors"):
    """What the servers themselves counted since the first look until the last one."""
    state = next(iter(lab.controller.states.values()))
    tally = state.guardrails[name].tally
    rows = [(dict(labels), dict(samples)) for labels, samples in lab.server.samples.items()]
    counts = {"v1": [0, 0], "v2": [0, 0]}
    for labels, samples in rows:
        if "envoy_response_code" not in labels:
            continue
        units = int(samples[tally.until] - samples.get(tally.began, 0))
        counts[labels["destination_version"]][0] += units
        counts[labels["destination_version"]][1] += units * (labels["envoy_response_code"] == "503")
    return tuple(counts["v2"]), tuple(counts["v1"])


def decisions(lab):
    return [
        (fact.at, fact.action, fact.split, fact.numbers)
        for entry in lab.journal.read()
        if isinstance(fact := entry.fact, Decided)
    ]


def test_counts_equal_the_servers_own_and_the_journal_decides_again_the_same():
    lab = ClientLab()
    lab.run(40)
    assert (total(lab).canary, total(lab).stable) == served_since_baseline(lab)
    assert not any(fact.series for fact in observed(lab))
    state = None
    for entry in lab.journal.read():
        fact = parse(seal("", 1, entry.fact)).fact
        if isinstance(fact, Decided) and state is not None:
            assert step(state, fact.at, fact.rollout) == fact
        state = fold(state, fact, entry.seq)


def test_a_process_that_lives_on_asks_one_query_for_a_guardrail_and_look():
    lab = ClientLab()

    def count_asked():
        """How many queries for samples there were: the pods' label is looked for once."""
        assert len([text for text in lab.server.asked if not text.endswith("]")]) <= lab.starts
        return len([text for text in lab.server.asked if text.endswith("]")])

    lab.run(30)
    again = count_asked()
    lab.restart()
    lab.run(2)
    looks = len([fact for fact in observed(lab) if fact.tallies])
    evidence = [text for text in lab.server.asked if "up|" in text or "_created" in text]
    assert again - len(evidence) <= len(NAMES) * (looks + 1)
    assert count_asked() - again == 2 * len(NAMES)  # the last samples, and the new ones


@pytest.mark.parametrize("every", [1, 3])
def test_a_controller_that_dies_again_and_again_decides_the_same(every):
    calm, restless = ClientLab(), ClientLab()
    restless.happen = lambda lab, scrape: lab.restart() if scrape % every == 0 else None
    calm.run(40)
    restless.run(40)
    for name in NAMES:
        assert total(restless, name) == total(calm, name)
    assert decisions(restless) == decisions(calm)
    assert not any(fact.unbelieved for fact in observed(restless))


class FullJournal(MemoryJournal):
    """A journal that takes nothing while it is full."""

    is_full = False

    def append(self, facts, after):
        if self.is_full:
            raise JournalError("the disk is full")
        return super().append(facts, after)


def test_looks_that_could_not_be_recorded_are_counted_by_the_next():
    journal = FullJournal()
    lab = ClientLab(journal=journal)
    lab.run(12)
    journal.is_full = True
    for _ in range(5):
        with pytest.raises(JournalError):
            lab.run(2)
        lab.clock.sleep(0.5)
    journal.is_full = False
    lab.run(12)
    assert (total(lab).canary, total(lab).stable) == served_since_baseline(lab)


def test_an_answer_that_is_proposed_twice_counts_once():
    """The state has moved on since it was read, as after a lost race: it counts no more."""
    lab = ClientLab()
    lab.run(12)
    lab.scrape()
    lab.clock.sleep(0.5)
    controller, now = lab.controller, lab.clock.now()
    ((rollout, state),) = controller.states.items()
    answers = controller.ports.observer.observe([ask(rollout, state)], now)
    for is_new in (True, False):
        looks = len(observed(lab))
        controller._decide([rollout], answers, now)
        assert [bool(fact.tallies) for fact in observed(lab)[looks:]] == [True] * is_new
    lab.run(6)
    assert (total(lab).canary, total(lab).stable) == served_since_baseline(lab)


def test_a_rollout_of_an_older_version_goes_on_where_its_raw_samples_ended(monkeypatch):
    """The journal of a version that recorded raw samples: its last ones are the baseline."""
    lab = ClientLab()
    monkeypatch.setattr("rollout.tick.propose.Ask", lambda *words: Ask(*words[:4]))
    lab.run(15)
    assert any(fact.series for fact in observed(lab))
    monkeypatch.undo()
    lab.restart()
    lab.run(15)
    raw = observed(lab)[: next(i for i, fact in enumerate(observed(lab)) if fact.tallies)]
    assert all(not fact.tallies for fact in raw)
    (state,) = lab.controller.states.values()
    tally = state.guardrails["errors"].tally
    assert tally is not None
    begins = [at for fact in raw for s in fact.series["errors"] for at, _ in s.samples]
    assert tally.began in begins
    of_codes = [
        dict(samples)
        for labels, samples in lab.server.samples.items()
        if "envoy_response_code" in dict(labels)
    ]
    expected = sum(int(samples[tally.until] - samples[max(begins)]) for samples in of_codes)
    counted = total(lab)
    assert counted.canary_exposures + counted.stable_exposures == expected


def test_a_look_of_many_pods_stays_small():
    lab = ClientLab(pods=200)
    lab.run(14)
    sizes = [len(seal("", 1, fact).text) for fact in observed(lab)]
    assert max(sizes) < 4000
    few = ClientLab(pods=20)
    few.run(14)
    assert max(sizes) < 2 * max(len(seal("", 1, fact).text) for fact in observed(few))
