"""Groups the journal's entries by RolloutPlan resource, as far as the resource shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from rollout.decide.record.facts import Decided, Observed, of_rollout
from rollout.decide.state.rollout import Phase, RolloutState
from rollout.operate.annotations import Word, word_of
from rollout.operate.status.status import RolloutStory
from rollout.ports import Entry


@dataclass(frozen=True)
class NewEntry:
    """A journal entry and the rollout's phase after it."""

    entry: Entry
    phase: Phase


class RolloutHistory:
    """Every rollout's story by its plan's `namespace/name`, and the entries not yet reported.

    `states` is the controller's live mapping, by rollout: stories are read with its current state.
    """

    def __init__(self, states: Mapping[str, RolloutState]) -> None:
        self._states = states
        self._stories: dict[str, dict[str, RolloutStory]] = {}
        self._active: dict[str, str] = {}  # rollout id to resource name
        self._news: dict[str, list[NewEntry]] = {}
        self._words: dict[str, set[Word]] = {}

    def note(self, entry: Entry) -> None:
        """Add an entry. The controller must have folded it into its states just before."""
        if not of_rollout(entry.fact):
            return
        rollout = entry.fact.rollout
        state = self._states[rollout]
        name = f"{state.plan.metadata.namespace}/{state.plan.metadata.name}"
        if word := word_of(entry.fact):
            self._words.setdefault(name, set()).add(word)
        stories = self._stories.setdefault(name, {})
        story = stories.get(rollout, RolloutStory(rollout, state, entry))
        # An observation changes nothing that a resource shows until a decision follows from it, and
        # observations are nearly all of a journal.
        if not isinstance(entry.fact, Observed):
            is_told = _is_repeated(story.decided, entry)
            story = replace(story, newest=entry)
            if not is_told:
                self._news.setdefault(name, []).append(NewEntry(entry, state.phase))
        if isinstance(entry.fact, Decided):
            story = replace(story, decided=entry)
            if entry.fact.action != "hold":
                story = replace(story, moved=entry)
        stories[rollout] = story
        if state.is_terminal:
            self._active.pop(rollout, None)
        else:
            self._active[rollout] = name

    def story(self, name: str, own: str = "") -> RolloutStory | None:
        """Return the story that a resource shows.

        That is the rollout in progress, else its plan's own (`own`), else the last that ended.
        """
        stories = self._stories.get(name, {})
        active = [rollout for rollout in stories if rollout in self._active]
        mine = [own] if own in stories else []
        candidates = active or mine or [*stories]  # in journal order: the last is the newest
        return self._refresh(stories[candidates[-1]]) if candidates else None

    def under_way(self) -> list[tuple[str, RolloutStory]]:
        """Return every rollout that has not ended, with its resource's name."""
        stories = ((name, self._stories[name][rollout]) for rollout, name in self._active.items())
        return [(name, self._refresh(story)) for name, story in stories]

    def _refresh(self, story: RolloutStory) -> RolloutStory:
        return replace(story, state=self._states[story.rollout])

    def new_entries(self, name: str) -> list[NewEntry]:
        """Return the entries of a resource's rollouts that were added since the last call."""
        return self._news.pop(name, [])

    def words(self, name: str) -> set[Word]:
        """Return the annotation commands that the journal holds for a resource."""
        return self._words.get(name, set())

    def drop_new_entries(self) -> None:
        """Forget entries that nobody fetched: their resource does not exist."""
        self._news.clear()


def _is_repeated(before: Entry | None, entry: Entry) -> bool:
    """Return whether an entry says what that of the look before did: an observer's often does."""
    old, new = before.fact if before else None, entry.fact
    if not isinstance(old, Decided) or not isinstance(new, Decided):
        return False
    return new.would is not None and (old.would, old.action) == (new.would, new.action)
