"""Where counting stands: the cursor of each guardrail in this process, as of a recorded look.

How it works: a look's cursor is kept beside the tally that goes into the journal, and is used again
only for a state that has this tally. A look that was read and not recorded therefore moves nothing,
and after a restart there is no cursor: it is read again from Prometheus (`resume`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from analysis.counting.cursor import Arm, Cursor, Series
from rollout.decide.record.tally import LookTally

_FORGOTTEN = 7200.0  # seconds after which the cursor of a rollout that nobody asks for is dropped

Processes = Mapping[tuple[Arm, str], str]
"""The scraped target of each series that has one."""


@dataclass(frozen=True)
class Standing:
    """What is known after a recorded look.

    `gone` are the digests of targets whose last samples were not read again after a restart, with
    their times; `lost` are the versions of which more series may have been counted. `words` say
    what a restart lost, until a look records it.
    """

    cursor: Cursor = field(default_factory=Cursor)
    processes: Processes = field(default_factory=dict)
    gone: Mapping[str, float] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    lost: frozenset[Arm] = frozenset()


def list_processes(series: Iterable[Series]) -> dict[tuple[Arm, str], str]:
    """Return the scraped target of each series that has one."""
    return {(entry.arm, entry.key): entry.process for entry in series if entry.process}


def target_of(series: Series) -> str:
    """Return the text whose digest names a series' target: its own key where it has none."""
    return series.process or f"{series.arm} {series.key}"


@dataclass
class Standings:
    """The standing of each guardrail after its last recorded look, and after a proposed one."""

    _known: dict[tuple[str, str], list[tuple[LookTally | None, Standing]]] = field(
        default_factory=dict
    )
    _asked_at: dict[str, float] = field(default_factory=dict)

    def recall(self, rollout: str, guardrail: str, mark: LookTally | None) -> Standing | None:
        """Return the standing after the look that recorded `mark`; None if it is not known."""
        pairs = self._known.get((rollout, guardrail), [])
        return next((standing for tally, standing in pairs if tally == mark), None)

    def keep(
        self,
        rollout: str,
        guardrail: str,
        mark: LookTally | None,
        tally: LookTally | None,
        after: Standing,
    ) -> None:
        """Keep the standing after `tally`, which may not be recorded, beside that of `mark`."""
        pairs = self._known.get((rollout, guardrail), [])
        before = [pair for pair in pairs if pair[0] == mark != tally]
        self._known[rollout, guardrail] = [*before, (tally, after)]

    def forget_ended(self, rollouts: list[str], now: float) -> bool:
        """Note who asks now; drop those that have not asked for long; return whether there are."""
        self._asked_at |= dict.fromkeys(rollouts, now)
        ended = {name for name, at in self._asked_at.items() if now - at > _FORGOTTEN}
        for rollout in ended:
            del self._asked_at[rollout]
        for rollout, guardrail in [pair for pair in self._known if pair[0] in ended]:
            del self._known[rollout, guardrail]
        return bool(ended)
