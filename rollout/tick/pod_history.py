"""The past of rollouts that wait for it: read for one a tick, after everything that is urgent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rollout.decide.evidence import pod_history
from rollout.decide.record.facts import Fact
from rollout.decide.state.rollout import State
from rollout.ports import Ask, Historian, Observer, Past

_READ_AGAIN = 300.0  # seconds until a past without a valid test is read again


@dataclass
class Learning:
    """Remembers whose past was read when."""

    observer: Observer
    _read_again: dict[str, float] = field(default_factory=dict)

    def fact(self, waiting: Iterable[str], states: Mapping[str, State], now: float) -> Fact | None:
        """What to record of the first past that is due; None where that says nothing new."""
        due = (rollout for rollout in sorted(waiting) if pod_history.due(states[rollout], now))
        rollout = next((each for each in due if now >= self._read_again.get(each, 0.0)), None)
        if rollout is None:
            return None
        state, observer = states[rollout], self.observer
        ask = Ask(rollout, state.plan, {})
        past = observer.history(ask, now) if isinstance(observer, Historian) else Past()
        self._read_again[rollout] = now + _READ_AGAIN
        fact = pod_history.learn(state, past.pods, past.problems, at=now, rollout=rollout)
        return fact if state.learned is None or fact.unknown != state.unknown else None
