"""I7: the declared error rates, over all stories together, for requests that are independent."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.binomial import upper_tail
from rollout.stories.play import Played
from rollout.stories.story import SeededStory

ALPHA, BETA = 0.01, 0.05  # as the stories' plans declare them
_SURELY = 1e-6  # chance below which more errors than declared are a broken promise
_HARMLESS = frozenset(
    {"kill", "kill-other", "double-tick", "late-ticks", "restart-loop", "watch-lag"}
    | {"pause", "resume", "hooks-fail", "hooks-hang"}
)
"""Events after which requests are still independent, and versions still as they were."""


@dataclass
class Rates:
    """Rollouts of versions that are alike, and of versions at the margin, with the wrong ends."""

    alike: int = 0
    falsely_rolled_back: int = 0
    at_margin: int = 0
    falsely_promoted: int = 0

    def add(self, played: Played) -> None:
        """Count a story, if it says anything of the rates."""
        kind = _find_kind(played.story)
        if kind == "same":
            self.alike += 1
            self.falsely_rolled_back += "roll back: harmful" in played.ends
        elif kind == "edge":
            self.at_margin += 1
            self.falsely_promoted += "promote: proven" in played.ends

    def join(self, other: Rates) -> None:
        """Add the counts of another one."""
        self.alike += other.alike
        self.falsely_rolled_back += other.falsely_rolled_back
        self.at_margin += other.at_margin
        self.falsely_promoted += other.falsely_promoted

    def broken(self) -> list[str]:
        """Return what broke, in words."""
        rows = (
            ("rolled back falsely", self.falsely_rolled_back, self.alike, ALPHA),
            ("promoted falsely", self.falsely_promoted, self.at_margin, BETA),
        )
        return [
            f"I7: {wrong} of {all_} rollouts were {what}, declared are {rate:.0%}"
            for what, wrong, all_, rate in rows
            if wrong and upper_tail(wrong, all_, rate) < _SURELY
        ]


def _find_kind(story: SeededStory) -> str:
    is_clean = all(event.name in _HARMLESS for event in story.events)
    is_plain = story.setting.start == "stable" and story.setting.journals == "1"
    return story.setting.canary if is_clean and is_plain else ""
