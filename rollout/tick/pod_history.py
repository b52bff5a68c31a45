"""Reads the pods' past for waiting rollouts: one per tick, after everything urgent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rollout.decide.evidence import pod_history
from rollout.decide.record.facts import Fact
from rollout.decide.state.rollout import RolloutState
from rollout.ports import Ask, HistorySource, Observer, PodHistory

_READ_AGAIN = 300.0  # seconds until a past without a valid test is read again


@dataclass
class PodHistoryReader:
    """Reads the past of stable's pods, and remembers when each rollout's may be read again."""

    observer: Observer
    _read_again: dict[str, float] = field(default_factory=dict)

    def fact(
        self, waiting: Iterable[str], states: Mapping[str, RolloutState], now: float
    ) -> Fact | None:
        """Return the fact about the first due rollout's past; None where it says nothing new."""
        due = (rollout for rollout in sorted(waiting) if pod_history.is_due(states[rollout], now))
        rollout = next((name for name in due if now >= self._read_again.get(name, 0.0)), None)
        if rollout is None:
            return None
        state, observer = states[rollout], self.observer
        ask = Ask(rollout, state.plan, {})
        past = observer.history(ask, now) if isinstance(observer, HistorySource) else PodHistory()
        self._read_again[rollout] = now + _READ_AGAIN
        fact = pod_history.learn(state, past.pods, past.problems, at=now, rollout=rollout)
        return fact if state.learned is None or fact.unknown != state.unknown else None
