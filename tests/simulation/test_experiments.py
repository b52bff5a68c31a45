"""Analysts' tables of whatever a rollout went through: honest, and the same numbers.

The stories crash, edit, pause, retry and lie to the controller. What they leave in the journal is
opened as an analyst opens it.
"""

from __future__ import annotations

import json
import math

import pandas as pd
import pytest

from rollout.experiment.read import Experiments
from rollout.experiment.report.document import compose
from rollout.journal.hash_chain import START, parse, seal_all
from rollout.journal.index import by_rollout
from rollout.stories.draw import random_stories
from rollout.stories.play import play_in
from rollout.stories.world.world import StoryWorld
from tests.support.experiments import TABLES

SEED, STORIES = 70_000, 24

pytestmark = pytest.mark.xdist_group("experiments")  # the stories are played once


@pytest.fixture(scope="module")
def experiments():
    """Every rollout that the stories leave in the first journal."""
    opened = []
    for story in random_stories(SEED, STORIES):
        world = StoryWorld(story.setting, story.seed)
        play_in(world, story)
        rows = seal_all(START, world.disks[0].facts)
        own = Experiments(by_rollout(map(parse, rows)))
        opened += [own[rollout] for rollout in own]
    assert {e.record.state.phase for e in opened} >= {"promoted", "rolled back"}
    return opened


@pytest.mark.parametrize("table", TABLES)
def test_no_table_breaks_and_no_number_is_a_nan(experiments, table):
    for experiment in experiments:
        frame = getattr(experiment, table)()
        for column in frame.select_dtypes("number"):
            assert not any(isinstance(cell, float) and math.isnan(cell) for cell in frame[column])


def test_the_same_tests_on_the_same_looks_give_the_recorded_numbers(experiments):
    for experiment in experiments:
        frame = experiment.sensitivity()
        again = frame[frame["case"] == "as recorded"].set_index("guardrail")
        recorded = experiment.scorecard().set_index("guardrail")
        for column in ("difference", "low", "high"):
            for name in recorded.index:
                left, right = again[column][name], recorded[column][name]
                assert pd.isna(left) == pd.isna(right)
                assert pd.isna(left) or left == pytest.approx(right, rel=1e-9)


def test_stable_is_compared_with_itself_wherever_evidence_is_weighed(experiments):
    for experiment in experiments:
        row = experiment.aa(2).iloc[0]
        is_compared = not row["note"].startswith("not enough: no look has compared")
        assert row["runs"] == (2 if is_compared else 0)


def test_every_decision_is_decided_again(experiments):
    for experiment in experiments:
        assert (experiment.replay()["differs"] == "").all()


def test_every_report_is_plain_json_and_every_card_has_its_sentence(experiments):
    for experiment in experiments:
        json.dumps(compose(experiment).as_json(), allow_nan=False)
        assert repr(experiment).splitlines()[0] in experiment._repr_html_().replace("&#x27;", "'")
