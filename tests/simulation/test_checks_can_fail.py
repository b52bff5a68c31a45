"""Checks of stories that notice a bug: the production code with it breaks their promise."""

from __future__ import annotations

import pytest

from rollout.decide import step
from rollout.decide.rules import safety
from rollout.ports import RouteStatus
from rollout.route.kube import patch
from rollout.route.weighted_route import WeightedRoute
from rollout.stories.play import play
from rollout.stories.story import parse_story
from rollout.tick import deliver

_STRAY = "canary=late stray-route@25"


def break_promises(text):
    """The promises that a story breaks, by code."""
    return {broken.invariant for broken in play(parse_story(3, text)).broken}


@pytest.mark.parametrize("mesh", ["istio", "gateway"])
def test_a_route_of_under_way_that_a_rollback_leaves_at_the_canary(mesh, monkeypatch):
    text = f"{_STRAY} mesh={mesh}"
    assert break_promises(text) == set()
    monkeypatch.setattr(patch, "find_strays", lambda *_: [])
    assert "I12" in break_promises(text)


@pytest.mark.parametrize("mesh", ["istio", "gateway", "envoy"])
def test_a_destination_of_others_whose_share_is_forgotten(mesh, monkeypatch):
    text = f"third=yes mesh={mesh}"
    assert break_promises(text) == set()
    weigh = WeightedRoute.weight
    monkeypatch.setattr(
        WeightedRoute, "weight", lambda route, arm: 0 if arm is None else weigh(route, arm)
    )
    assert "I12" in break_promises(text)


def test_a_confirmation_of_what_an_envoy_does_not_run(monkeypatch):
    text = "mesh=envoy rejects@8:20"
    assert break_promises(text) == set()
    monkeypatch.setattr(deliver, "matches", lambda status, *_: isinstance(status, RouteStatus))
    assert "I2" in break_promises(text)


def test_a_pause_that_never_ends(monkeypatch):
    text = "pause@12"
    assert break_promises(text) == set()
    rules = tuple(rule for rule in step.RULES if rule is not safety.forgotten)
    monkeypatch.setattr(step, "RULES", rules)
    assert "people" in break_promises(text)
