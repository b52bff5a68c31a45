"""Plays many stories on all processors, and adds up what they held and what they broke."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from rollout.simulate.crowd import carried_out
from rollout.stories.known import KnownFault, find_known
from rollout.stories.play import Played, play
from rollout.stories.rates import Rates
from rollout.stories.story import SeededStory

_BATCH = 20  # stories that a process plays before it reports
_PAYS = 20


@dataclass
class Campaign:
    """What stories held: their looks, steps and events; and those that broke a promise."""

    stories: int = 0
    looks: int = 0
    steps: int = 0
    without_events: int = 0
    events: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    rates: Rates = field(default_factory=Rates)
    failed: list[Played] = field(default_factory=list)
    open_faults: Counter[KnownFault] = field(default_factory=Counter)

    def add(self, played: Played) -> None:
        """Add one story."""
        self.stories += 1
        self.looks += played.looks
        self.steps += played.steps
        self.without_events += not played.events
        self.events.update(played.events)
        self.ends.update(played.ends[-1:] or ("none",))
        self.rates.add(played)
        if not played.broken:
            return
        if fault := find_known(played):
            self.open_faults[fault] += 1
        else:
            self.failed.append(played)

    def join(self, other: Campaign) -> None:
        """Add what another one held."""
        self.stories += other.stories
        self.looks += other.looks
        self.steps += other.steps
        self.without_events += other.without_events
        self.events.update(other.events)
        self.ends.update(other.ends)
        self.rates.join(other.rates)
        self.failed += other.failed
        self.open_faults.update(other.open_faults)

    @property
    def holds(self) -> bool:
        """Whether every promise held, in each story and over all of them."""
        return not self.failed and not self.rates.broken()


def run_campaign(
    stories: Sequence[SeededStory],
    on_done: Callable[[int], None] = lambda _count: None,
    *,
    stops: bool = False,
) -> Campaign:
    """Play stories, on several processes; with `stops` no further ones after the first that fails.

    `on_done` is called with the number of stories that are done since the last call.
    """
    starts = range(0, len(stories), _BATCH)
    tasks = [partial(_play_all, tuple(stories[start : start + _BATCH])) for start in starts]
    campaign = Campaign()
    with carried_out(tasks, pays=len(stories) > _PAYS) as results:
        for _, batch in results:
            campaign.join(batch)
            on_done(batch.stories)
            if stops and campaign.failed:
                break
    campaign.failed.sort(key=lambda played: played.story.seed)
    return campaign


def _play_all(stories: Sequence[SeededStory]) -> Campaign:
    campaign = Campaign()
    gc.disable()  # a story leaves little behind, and looking for cycles takes a tenth of the time
    for played in map(play, stories):
        campaign.add(played)
    gc.enable()
    gc.collect()
    return campaign
