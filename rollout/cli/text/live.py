"""Fold the facts of a growing journal into the screen of `watch` and `demo`."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from rich.console import RenderableType
from rich.text import Text

from rollout.cli.text.screen import STYLES, screen, utc
from rollout.decide.fold import fold
from rollout.decide.record.facts import Decided, Lived, Observed, Started, of_rollout
from rollout.decide.record.route_facts import Followed
from rollout.decide.state.rollout import RolloutState
from rollout.explain.entry import name_act, sentence, what
from rollout.explain.status import report
from rollout.ports import Entry
from rollout.tick.fleet import recorded_stable, service_key

_LOG_LINES = 10
_MAX_ROLLOUTS = 3  # on one screen
_QUIET = {"hold", "confirmed", "started"}
_ACTIONS = {
    "roll back": "rolled back",
    "undo": "rolled back",
    "promote": "promoted",
    "hold back": "promoted",
    "advance": "safe",
    "route-failed": "harmful",
    "not followed": "harmful",
    "human-said": "paused",
}


@dataclass
class Follower:
    """Fold entries as they come, and keep the newest lines of the log.

    Each entry is folded once, so a screen costs the same however long the journal is.
    """

    name: str | None = None
    states: dict[str, RolloutState] = field(default_factory=dict)
    lines: deque[Text] = field(default_factory=lambda: deque(maxlen=_LOG_LINES))
    seq: int = 0

    def feed(self, entry: Entry) -> None:
        """Fold one entry; skip those of other rollouts than `name`."""
        fact, self.seq = entry.fact, entry.seq
        if not of_rollout(fact):
            return
        before = self.states.get(fact.rollout)
        if before is None and not isinstance(fact, Started):
            return  # its start was skipped: it is not the rollout that was asked for
        state = fold(before, fact, entry.seq)
        if self.name not in {None, fact.rollout, state.plan.name}:
            return
        self.states[fact.rollout] = state
        if not isinstance(fact, Observed | Lived):
            line = log_line(entry)
            line.no_wrap, line.overflow = True, "ellipsis"
            self.lines.append(line)

    @property
    def done(self) -> bool:
        """Whether there is a rollout, and all rollouts have ended."""
        return bool(self.states) and all(state.is_terminal for state in self.states.values())

    def render(self, now: float, title: str = "") -> RenderableType:
        """Draw the rollouts in progress, or else the last one that ended."""
        in_progress = [(name, s) for name, s in self.states.items() if not s.is_terminal]
        selected = (in_progress or [*self.states.items()][-1:])[-_MAX_ROLLOUTS:]
        reports = [report(name, state, now, self._find_stable(state)) for name, state in selected]
        return screen(reports, self.lines, title)

    def _find_stable(self, state: RolloutState) -> str | None:
        """Find the stable version that the rollouts of the same service have recorded."""
        key = service_key(state.plan)
        return recorded_stable(own for own in self.states.values() if service_key(own.plan) == key)


def log_line(entry: Entry) -> Text:
    """Format one line of the decision log, with colours."""
    fact = entry.fact
    at = utc(fact.at)
    kind: str = name_act(fact) if isinstance(fact, Decided) else fact.kind
    if isinstance(fact, Followed):
        kind = fact.outcome
    line = Text()
    line.append(f"{at} {entry.seq:>4} ", style="dim")
    line.append(f"{what(fact):<15}", style=STYLES.get(_ACTIONS.get(kind, ""), ""))
    line.append(f" {sentence(fact)}", style="dim" if kind in _QUIET else "")
    return line
