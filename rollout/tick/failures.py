"""Failed attempts at the mesh: an entry when the reason is new, a back-off in memory in between."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from rollout.backoff import backoff
from rollout.decide.fold import SLOWEST_RETRY_BACK
from rollout.decide.record.facts import Fact
from rollout.decide.record.route_facts import RouteFailed
from rollout.decide.state.rollout import RolloutState


@dataclass
class Failures:
    """Counts the attempts that failed again for the recorded reason, by rollout.

    A mesh that stays away would fill the journal with one entry every few seconds. The count is
    lost with the process: a restart begins the back-off anew.
    """

    _counts: dict[str, RouteFailed] = field(default_factory=dict)

    def counted(self, rollout: str, state: RolloutState) -> RolloutState:
        """Return the state with the attempts that were not recorded."""
        last = self._counts.get(rollout)
        if last is None or last.decision != state.delivery.decision or not state.delivery.attempts:
            return state
        attempts = max(last.attempt, state.delivery.attempts)
        return replace(state, delivery=replace(state.delivery, attempts=attempts))

    def retry_at(self, rollout: str, state: RolloutState, fact: Fact) -> float | None:
        """Return when to try again without recording a failure; None where it is to be recorded."""
        if not isinstance(fact, RouteFailed):
            self._counts.pop(rollout, None)
            return None
        last, self._counts[rollout] = self._counts.get(rollout), fact
        is_known = last is not None and _reason(last) == _reason(fact)
        if not is_known or not state.is_going_back:
            return None
        return fact.at + backoff(fact.attempt, 1.0, SLOWEST_RETRY_BACK)


def _reason(fact: RouteFailed) -> tuple[int, str, bool, bool]:
    return fact.decision, fact.problem, fact.refused, fact.unread
