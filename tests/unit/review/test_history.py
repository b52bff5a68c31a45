"""A journal looked back at: looks, weights, and every decision decided again."""

from dataclasses import replace

import numpy as np
import pytest

from rollout.decide.record.facts import Decided, HumanSaid, Observed
from rollout.decide.record.route_facts import Confirmed, Drifted
from rollout.decide.record.split import Split
from rollout.ports import Entry
from rollout.review.history import histories, history
from tests.support.worlds import BAD, GOOD, Lab, plan


@pytest.fixture(scope="module")
def entries():
    """A rollout that was promoted, and then one that was rolled back."""
    good, bad = Lab(GOOD), Lab(BAD, plan=plan("later"))
    assert good.run().phase == "promoted"
    assert bad.run().phase == "rolled back"
    return [
        *good.entries,
        *(replace(e, seq=e.seq + len(good.entries)) for e in renumbered(bad, len(good.entries))),
    ]


def renumbered(lab, after):
    """A confirmation names its decision by number, so it moves along."""
    return [replace(entry, fact=moved(entry.fact, after)) for entry in lab.entries]


def moved(fact, after):
    if isinstance(fact, Confirmed):
        return fact.model_copy(update={"decision": fact.decision + after})
    return fact


def last_of(rollout):
    """The last decision of a history and its number."""
    return rollout.decisions[-1].fact, rollout.decisions[-1].decided.seq


def round_off(value):
    return None if value is None else pytest.approx(value, rel=1e-5)


def changed(entries, which, **parts):
    """The entries with parts of one fact replaced."""
    return [
        replace(entry, fact=entry.fact.model_copy(update=parts)) if entry.seq == which else entry
        for entry in entries
    ]


def test_both_rollouts_are_told_apart_in_order(entries):
    good, bad = histories(entries)
    assert (good.state.phase, bad.state.phase) == ("promoted", "rolled back")
    assert (good.alpha, good.beta, good.controller) == (0.01, 0.05, "test")
    assert good.lasted == good.ended_at - good.state.started_at > 0


def test_every_decision_is_decided_again(entries):
    for rollout in histories(entries):
        recorded = [e for e in entries if e.fact.rollout == rollout.rollout]
        assert [look.decided for look in rollout.decisions] == [
            entry for entry in recorded if isinstance(entry.fact, Decided)
        ]
        assert [look.differs for look in rollout.looks] == [()] * len(rollout.looks)


def test_every_observation_is_a_look(entries):
    observation_count = sum(isinstance(entry.fact, Observed) for entry in entries)
    assert sum(len(rollout.looks) for rollout in histories(entries)) == observation_count


def test_weights_are_the_confirmed_ones(entries):
    good, _ = histories(entries)
    confirmed = [
        (e.seq, e.fact.split.share)
        for e in entries
        if isinstance(e.fact, Confirmed) and e.fact.rollout == good.rollout
    ]
    assert [(w.seq, w.share) for w in good.weights] == [(1, 0.0), *confirmed]
    assert [w.share for w in good.weights] == [0.0, 0.05, 0.25, 0.5, 1.0]


def test_somebody_elses_weight_is_one_too():
    lab = Lab(GOOD, plan=plan(onDrift="adopt"))
    lab.run_until(lambda state: state.split.canary == 25)
    lab.router.write(lab.plan, Split(40), "somebody")
    lab.run_until(lambda state: state.split.canary == 40)
    assert any(isinstance(fact, Drifted) for fact in lab.facts)
    assert [w.share for w in history(lab.entries).weights][-1] == 0.4


def test_readings_are_the_numbers_that_were_recorded(entries):
    for rollout in histories(entries):
        for look in rollout.decisions:
            numbers = look.fact.numbers if look.fact else {}
            assert look.log10_mean == pytest.approx(numbers["joint"], rel=1e-5, abs=1e-9)
            for reading in look.readings:
                recorded = numbers["guardrails"][reading.guardrail]
                assert reading.verdict == recorded["verdict"]
                for field in ("estimate", "low", "high", "allowed", "canary", "stable_bad"):
                    assert getattr(reading.readout, field) == round_off(recorded[field])


def test_the_mean_is_the_sum_of_its_parts(entries):
    for rollout in histories(entries):
        for look in rollout.looks:
            parts = [reading.log10_harm for reading in look.readings]
            parts += [] if look.log10_crash is None else [look.log10_crash]
            assert look.log10_mean == pytest.approx(np.log10(np.sum(10.0 ** np.array(parts))))


def test_the_boundaries_explain_the_outcomes(entries):
    good, bad = histories(entries)
    assert bad.looks[-1].log10_mean >= -np.log10(bad.alpha)
    assert all(look.log10_mean < -np.log10(bad.alpha) for look in bad.looks[:-1])
    proofs = [reading.log10_proof for reading in good.looks[-1].readings]
    assert min(proof or 0.0 for proof in proofs) >= -np.log10(good.beta)


def test_a_histogram_is_read_at_every_edge(entries):
    last = {reading.guardrail: reading for reading in histories(entries)[0].looks[-1].readings}
    assert last["errors"].edges == (last["errors"].readout,)
    for name in ("latency", "accuracy"):
        edges = [readout.edge for readout in last[name].edges]
        assert len(set(edges)) == len(edges) > 1
        assert last[name].readout.edge in edges


@pytest.mark.parametrize(
    ("parts", "differs"),
    [
        ({"action": "pause"}, ("action",)),
        ({"split": Split(7)}, ("split",)),
        ({"reasons": ("whim",), "numbers": {}}, ("reasons", "numbers")),
        ({"sentence": "Said otherwise."}, ()),
    ],
)
def test_what_was_changed_is_named(entries, parts, differs):
    _, seq = last_of(histories(entries)[0])
    again = histories(changed(entries, seq, **parts))[0]
    assert again.decisions[-1].differs == differs


def test_a_decision_that_was_left_out_is_missed(entries):
    _, seq = last_of(histories(entries)[1])
    without = [entry for entry in entries if entry.seq < seq]
    assert histories(without)[1].looks[-1].differs == ("decision",)


def test_a_decision_without_news_is_a_look_too():
    lab = Lab(GOOD)
    lab.run_until(lambda state: state.split.canary > 0)
    lab.world.dark = True
    assert lab.run().phase == "rolled back"
    rollout = history(lab.entries)
    assert last_of(rollout)[0].reasons[0].startswith("blind-too-long")
    assert {reading.verdict for reading in rollout.looks[-1].readings} == {"blind"}
    assert len(rollout.looks) > sum(isinstance(fact, Observed) for fact in lab.facts)
    assert not any(look.differs for look in rollout.looks)


def test_a_persons_word_is_replayed():
    lab = Lab(GOOD)
    lab.run_until(lambda state: state.split.canary > 0)
    abort = HumanSaid(rollout=lab.plan.id, at=lab.clock.now(), command="abort", actor="ops@host")
    lab.journal.append([abort], len(lab.entries))
    assert lab.run().phase == "rolled back"
    rollout = history(lab.entries)
    assert last_of(rollout)[0].reasons == ("human:abort",)
    assert not any(look.differs for look in rollout.looks)


def test_a_history_begins_with_its_start(entries):
    with pytest.raises(ValueError, match="never started"):
        history(entries[1:])
    with pytest.raises(ValueError, match="no facts"):
        history([])
    only: list[Entry] = [entries[0]]
    assert (history(only).looks, history(only).lasted) == ((), 0.0)


def test_a_clock_that_is_set_back_takes_no_look_back():
    lab = Lab(GOOD)
    lab.run(40)
    lab.clock.time -= 3600
    lab.run()
    (rollout,) = histories(lab.entries)
    assert rollout.lasted == pytest.approx(lab.clock.elapsed, abs=3)
    for times in (
        rollout.elapsed,
        [look.seconds for look in rollout.looks],
        [weight.seconds for weight in rollout.weights],
        [units.seconds for units in rollout.units],
    ):
        assert [*times] == sorted(times)
        assert 0 <= times[0] <= times[-1] <= rollout.lasted
    assert [look.at for look in rollout.looks][-1] < rollout.state.started_at, "as it was recorded"


def test_a_blindness_is_told_by_the_time_that_was_lived_through():
    lab = Lab(GOOD)
    lab.run(40)
    lab.clock.time -= 3600
    lab.run()
    last = lab.decisions[-1]
    assert last.reasons[0].startswith("blind")
    assert "blind on errors and latency for 30s: " in last.sentence


def test_a_person_s_clock_sets_nothing_back(entries):
    first = histories(entries)[0].entries
    early = first[0].fact.at - 3600
    asked = HumanSaid(rollout=first[0].fact.rollout, at=early, command="resume", actor="ana")
    at = len(first) - 1
    spoken = [*first[:at], replace(first[at], fact=asked), *first[at:]]
    assert history(spoken).lasted == history(first).lasted
