"""Failed attempts at the mesh: an entry when the reason is new, a back-off in memory in between."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from rollout.backoff import backoff
from rollout.decide.fold import find_slowest_retry
from rollout.decide.record.facts import Fact
from rollout.decide.record.route_facts import RouteFailed
from rollout.decide.state.rollout import RolloutState

_NUMBERS = re.compile(r"\d+")


@dataclass(frozen=True)
class _Repeated:
    """The failures of one decision: the newest, and the reasons that were recorded."""

    newest: RouteFailed
    reasons: frozenset[str]


@dataclass
class Failures:
    """Counts the attempts that failed again for a recorded reason, by rollout.

    A mesh that stays away would fill the journal with one entry every few seconds. The count is
    lost with the process: a restart begins the back-off anew. The newest reason is in the journal,
    so that a restart or a new leader does not record it again.
    """

    _repeated: dict[str, _Repeated] = field(default_factory=dict)

    def counted(self, rollout: str, state: RolloutState) -> RolloutState:
        """Return the state with the attempts that were not recorded."""
        repeated = self._of(rollout, state)
        if repeated is None or not state.delivery.attempts:
            return state
        attempts = max(repeated.newest.attempt, state.delivery.attempts)
        return replace(state, delivery=replace(state.delivery, attempts=attempts))

    def retry_at(self, rollout: str, state: RolloutState, fact: Fact) -> float | None:
        """Return when to try again without recording a failure; None where it is to be recorded."""
        if not isinstance(fact, RouteFailed):
            self._repeated.pop(rollout, None)
            return None
        repeated = self._of(rollout, state)
        recorded = {_reason(state.delivery.problem), *(repeated.reasons if repeated else ())}
        reason = _reason(fact.problem)
        self._repeated[rollout] = _Repeated(fact, frozenset({*recorded, reason}))
        if reason not in recorded or state.delivery.is_changed_by(fact):
            return None
        return fact.at + backoff(fact.attempt, 1.0, find_slowest_retry(state))

    def _of(self, rollout: str, state: RolloutState) -> _Repeated | None:
        repeated = self._repeated.get(rollout)
        is_same = repeated is not None and repeated.newest.decision == state.delivery.decision
        return repeated if is_same else None


def _reason(problem: str) -> str:
    """Return what two attempts that failed alike have in common: all but times and counts."""
    return _NUMBERS.sub("0", problem)
