"""The journal's entries by resource, as far as resources show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from rollout.decide.record.facts import Decided, Observed, of_rollout
from rollout.decide.state.rollout import Phase, RolloutState
from rollout.operate.annotations import Word, word_of
from rollout.operate.status.status import Story
from rollout.ports import Entry


@dataclass(frozen=True)
class NewEntry:
    """An entry and the phase that it led to."""

    entry: Entry
    phase: Phase


class RolloutHistory:
    """Every rollout's story, by the `namespace/name` of its plan, and what was not told yet.

    `states` are the controller's, by rollout.
    """

    def __init__(self, states: Mapping[str, RolloutState]) -> None:
        self._states = states
        self._stories: dict[str, dict[str, Story]] = {}
        self._active: dict[str, str] = {}  # rollout -> name
        self._news: dict[str, list[NewEntry]] = {}
        self._words: dict[str, set[Word]] = {}

    def note(self, entry: Entry) -> None:
        """Take an entry, right after it was folded into the states."""
        if not of_rollout(entry.fact):
            return
        rollout = entry.fact.rollout
        state = self._states[rollout]
        name = f"{state.plan.metadata.namespace}/{state.plan.metadata.name}"
        if word := word_of(entry.fact):
            self._words.setdefault(name, set()).add(word)
        stories = self._stories.setdefault(name, {})
        story = stories.get(rollout, Story(rollout, state, entry))
        if not isinstance(entry.fact, Observed):
            story = replace(story, newest=entry)
            self._news.setdefault(name, []).append(NewEntry(entry, state.phase))
        if isinstance(entry.fact, Decided):
            story = replace(story, decided=entry)
        stories[rollout] = story
        if state.terminal:
            self._active.pop(rollout, None)
        else:
            self._active[rollout] = name

    def story(self, name: str, own: str = "") -> Story | None:
        """What a resource shows: the rollout under way, else its own, else the last that ended."""
        stories = self._stories.get(name, {})
        active = [rollout for rollout in stories if rollout in self._active]
        mine = [own] if own in stories else []
        shown = (active or mine or [*stories])[-1:]
        return self._now(stories[shown[0]]) if shown else None

    def under_way(self) -> list[tuple[str, Story]]:
        """Rollouts that go on, each with its resource's name."""
        stories = ((name, self._stories[name][rollout]) for rollout, name in self._active.items())
        return [(name, self._now(story)) for name, story in stories]

    def _now(self, story: Story) -> Story:
        return replace(story, state=self._states[story.rollout])

    def news(self, name: str) -> list[NewEntry]:
        """What happened to a resource's rollouts since this was asked last."""
        return self._news.pop(name, [])

    def words(self, name: str) -> set[Word]:
        """What a resource's annotations have asked for already."""
        return self._words.get(name, set())

    def drop_news(self) -> None:
        """Forget what nobody asked for: there is no resource to show it on."""
        self._news.clear()
