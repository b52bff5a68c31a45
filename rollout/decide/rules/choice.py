"""The choice of a rule, and helpers that build the frequent ones."""

from __future__ import annotations

from dataclasses import dataclass

from rollout.decide.record.facts import Action, WouldBe
from rollout.decide.record.split import Split
from rollout.decide.rules.ramp import retreat_split
from rollout.decide.rules.view import View


@dataclass(frozen=True)
class Choice:
    """An action, the wanted split, and the reasons as stable codes.

    `would` is what full authority would choose, where less holds.
    """

    action: Action
    split: Split
    reasons: tuple[str, ...]
    would: WouldBe | None = None


def hold(view: View, *reasons: str) -> Choice:
    return Choice("hold", view.state.wanted, reasons)


def roll_back(view: View, *reasons: str) -> Choice:
    return Choice("roll back", Split(0, view.state.total), reasons)


def promote(view: View, *reasons: str) -> Choice:
    return Choice("promote", Split(view.state.total, view.state.total), reasons)


def retreat(view: View, *reasons: str, to_nothing: bool) -> Choice:
    """Lower the canary's weight without a verdict: to 0, or to the first step at most."""
    return Choice("retreat", retreat_split(view.state, to_nothing=to_nothing), reasons)


def pause(view: View, *reasons: str) -> Choice:
    return Choice("pause", view.state.wanted, reasons)
