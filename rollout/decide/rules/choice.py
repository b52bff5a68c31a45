"""What a rule chose: an action, the wanted split and its reasons."""

from __future__ import annotations

from dataclasses import dataclass

from rollout.decide.record.facts import Action
from rollout.decide.record.split import Split
from rollout.decide.rules.view import View


@dataclass(frozen=True)
class Choice:
    """What a rule chose: an action, the wanted split and its reasons as stable codes."""

    action: Action
    split: Split
    reasons: tuple[str, ...]


def hold(seen: View, *reasons: str) -> Choice:
    return Choice("hold", seen.state.wanted, reasons)


def roll_back(seen: View, *reasons: str) -> Choice:
    return Choice("roll back", Split(0, seen.state.total), reasons)


def promote(seen: View, *reasons: str) -> Choice:
    return Choice("promote", Split(seen.state.total, seen.state.total), reasons)


def pause(seen: View, *reasons: str) -> Choice:
    return Choice("pause", seen.state.wanted, reasons)
