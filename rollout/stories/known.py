"""Promises that are known not to hold yet, by what breaks them; the command says so.

Nothing is left out of a story for them: it is played and told as `open`, and not as failed. An
entry goes when its mend comes.
"""

from __future__ import annotations

from dataclasses import dataclass

from rollout.stories.play import Played


@dataclass(frozen=True)
class KnownFault:
    """A promise, the words of a story that break it, and what happens.

    One of `words` has to be there, and one of `meeting` where there are any.
    """

    invariants: tuple[str, ...]
    words: tuple[str, ...]
    text: str
    meeting: tuple[str, ...] = ()

    def explains(self, played: Played) -> bool:
        """Return whether a story may have broken its promise by this fault."""
        story = str(played.story).split()
        has_words = all(
            any(word.startswith(words) for word in story)
            for words in (self.words, self.meeting)
            if words
        )
        return has_words and any(broken.invariant in self.invariants for broken in played.broken)


KNOWN: tuple[KnownFault, ...] = ()


def find_known(played: Played) -> KnownFault | None:
    """Return the known fault that explains what a story broke, or None."""
    return next((fault for fault in KNOWN if fault.explains(played)), None)
