"""Evidence that stable's troubles limit lowers the weight, which is no verdict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis.counting.counts import Counts
from analysis.dispersion.dispersion import Dispersion
from analysis.dispersion.totals import estimate_totals
from analysis.rates.rate import RateMargin
from analysis.rates.robust_test import ArmCounts
from benchmarks.worlds import paths
from benchmarks.worlds.rates import CountsModel
from rollout.decide.evidence.blindness import Blind
from rollout.decide.evidence.following import find_end
from rollout.decide.fold import fold
from rollout.decide.record.facts import Decided, Learned, Started
from rollout.decide.rules.view import View, view
from rollout.decide.state.rollout import RolloutState, begin_rollout
from rollout.decide.step import choose
from rollout.decide.text.sentence import sentence
from tests.support.counts import start
from tests.support.states import T0
from tests.support.worlds import GOOD, Lab

TROUBLED = Dispersion(
    by="totals", pods_stable=4, lasting=0.00128, ticks=2880, trouble=8, rate=0.01, unexcluded=0.1
)
WORSE, GOOD_LOOK = Counts((300, 40), (300, 3)), Counts((300, 3), (300, 3))


@pytest.fixture(scope="module")
def climbing() -> RolloutState:
    """A rollout at 25 % whose past had troubles, after the bake."""
    lab = Lab(GOOD)
    state = lab.run_until(
        lambda s: s.wanted.canary == 25 and s.steady_at is not None and not s.delivery.is_open
    )
    learned = Learned(rollout=lab.rollout, at=T0, dispersions={"errors": TROUBLED})
    return fold(state, learned, 900)


def after(state: RolloutState, *looks: Counts) -> RolloutState:
    errors = state.guardrails["errors"]
    test = errors.test
    for counts in looks:
        test = test.update(counts)
    return replace(state, guardrails={**state.guardrails, "errors": replace(errors, test=test)})


def seen_at(state: RolloutState) -> View:
    return replace(view(state, (state.steady_at or T0) + 9), blind=dict[str, Blind]())


def decide(state: RolloutState) -> Decided:
    current = seen_at(state)
    choice = choose(current)
    text = sentence(state, choice.action, choice.split, choice.reasons, current)
    return Decided(
        rollout="demo", at=current.now, action=choice.action, split=choice.split,
        reasons=choice.reasons, sentence=text,
    )  # fmt: skip


def test_a_suspicion_lowers_the_weight_to_the_first_step_and_is_no_verdict(climbing):
    suspected = after(climbing, WORSE, WORSE)
    assert not seen_at(suspected).judgement.harmful
    decided = decide(suspected)
    assert (decided.action, decided.reasons) == ("retreat", ("suspected:errors",))
    assert decided.split.share == pytest.approx(0.05)
    assert "no verdict" in decided.sentence
    assert "v1 has had troubles of up to 8 looks" in decided.sentence


def test_it_climbs_again_when_the_suspicion_is_gone(climbing):
    suspected = after(climbing, WORSE, WORSE)
    lowered = fold(suspected, decide(suspected), 901)
    assert (lowered.phase, lowered.suspicions, lowered.retreats) == ("stepping", 1, 0)
    assert find_end(lowered) is None
    at_step = replace(lowered, delivery=lowered.delivery.confirm(T0))
    assert decide(at_step).reasons == ("suspected:errors",)
    assert decide(at_step).action == "hold"
    calm = after(at_step, *[GOOD_LOOK] * 40)
    assert decide(calm).action == "advance"


def test_harm_that_outlasts_stables_troubles_rolls_back(climbing):
    assert decide(after(climbing, *[WORSE] * 60)).action == "roll back"


def test_after_three_the_weight_is_only_not_raised(climbing):
    again = replace(after(climbing, WORSE, WORSE), suspicions=3)
    assert (decide(again).action, decide(again).reasons) == ("hold", ("suspected:errors",))


def test_without_troubles_and_in_older_journals_nothing_is_suspected(climbing):
    older = replace(after(climbing, WORSE, WORSE), suspects=False)
    assert decide(older).action == "advance"
    fresh = start(RateMargin(1.0, 0.01, replace(TROUBLED, trouble=0)))
    assert fresh.update(WORSE).log_rise == 0


def test_only_new_rollouts_suspect():
    lab = Lab(GOOD)
    fact = next(fact for fact in lab.facts if isinstance(fact, Started))
    assert begin_rollout(fact).suspects
    assert not begin_rollout(fact.model_copy(update={"suspects": False})).suspects
    assert "suspects" not in fact.model_copy(update={"suspects": False}).model_dump()


@pytest.mark.no_cover  # many runs of what other tests cover
def test_harmless_canaries_are_rarely_suspected_while_incidents_hit_both():
    world, rng, runs = CountsModel("incidents"), np.random.default_rng(1709), 60
    e, x = (counts.sum(axis=-1) for counts in world.history(rng, runs, 2880))
    learned = [estimate_totals(*past) for past in zip(e, x, strict=True)]
    arms = world.streams(rng, runs).arms()
    counts = ArmCounts(arms.e_c, arms.e_s, arms.x_c, arms.x_s)
    highest = paths.rises(learned, counts).max(axis=1)
    assert (highest >= np.log(200 / 0.01)).mean() <= 0.05
