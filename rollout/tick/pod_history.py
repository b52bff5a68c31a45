"""Reads the pods' past for waiting rollouts: one per tick, after everything urgent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rollout.decide.evidence import pod_history
from rollout.decide.evidence.confirmation import has_chosen_by_chance
from rollout.decide.record.facts import Fact
from rollout.decide.state.rollout import RolloutState
from rollout.ports import Ask, HistorySource, Observer, PodHistory

_READ_AGAIN = 300.0  # seconds until a past without a valid test is read again
_CONFIRM_AGAIN = 30.0  # seconds until found pods are, in the canary's warm-up


@dataclass
class PodHistoryReader:
    """Reads the past of stable's pods, and remembers when each rollout's may be read again."""

    observer: Observer
    _read_again: dict[tuple[str, bool], float] = field(default_factory=dict)

    def fact(
        self, waiting: Iterable[str], states: Mapping[str, RolloutState], now: float
    ) -> Fact | None:
        """Return the fact about the first due rollout's past; None where it says nothing new."""
        keys = ((name, states[name].stepped) for name in sorted(waiting))
        due = (key for key in keys if now >= self._read_again.get(key, 0.0))
        key = next((key for key in due if pod_history.is_due(states[key[0]], now)), None)
        if key is None:
            return None
        rollout, is_stepped = key
        state, observer = states[rollout], self.observer
        ask = Ask(
            rollout,
            state.plan,
            {},
            finds_pods=state.finds_pods,
            by_chance=has_chosen_by_chance(state),
            labels=pod_history.list_looked_at_again(state),
        )
        # Before it is asked: a fault of the answer is no reason to ask at every tick.
        is_confirming = is_stepped and not (state.learned and state.learned.is_confirmed)
        self._read_again[key] = now + (_CONFIRM_AGAIN if is_confirming else _READ_AGAIN)
        past = observer.history(ask, now) if isinstance(observer, HistorySource) else PodHistory()
        fact = pod_history.learn(state, past, at=now, rollout=rollout)
        return fact if pod_history.is_news(state, fact) else None
