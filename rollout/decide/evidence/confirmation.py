"""When a label by which pods were found is confirmed: by the canary's first requests.

Until then nobody knows whether it names servers or their clients, so nothing is weighed by it.
Afterwards it is looked at again and again: a client that served one version alone may yet call the
other.
"""

from __future__ import annotations

import math
from dataclasses import replace

from rollout.decide.evidence.exposure import has_affinity
from rollout.decide.record.facts import Learned
from rollout.decide.state.rollout import RolloutState

ENOUGH = 20
"""Requests of the canary after which its pods have series, and its clients are known.

A client of both versions whose requests are split by chance has had all of them go to the canary
with a chance of less than one in a million.
"""

_HALF = 0.5  # the largest weight at which so many requests tell
_WEIGHED = frozenset({"stepping", "observing", "holding back", "paused"})


def find_confirmation(state: RolloutState, guardrail: str) -> float:
    """Return from when on (unix seconds, the server's) looks are weighed, as far as labels go.

    It is infinity until a label of pods is confirmed, or given up, and -infinity without one.
    """
    learned = state.learned
    if learned is None or not learned.is_weighed_after:
        return -math.inf
    wholes = state.plan.spec.segment_guardrails if state.segments else ()
    name = next((own.of for own in wholes if own.name == guardrail), guardrail)
    if name not in learned.found_pods:
        return -math.inf
    # The past is read up to then, and what was learnt from a look is no measure for it.
    return state.at_server(learned.at) if learned.is_confirmed else math.inf


def splits_by_chance(state: RolloutState) -> bool:
    """Return whether chance chooses the canary's requests among those of all clients."""
    is_by_weight = state.split.way == "weights" and 0 < state.split.share <= _HALF
    return is_by_weight and not _keeps_clients(state)


def has_chosen_by_chance(state: RolloutState) -> bool:
    """Return whether the canary had so many requests, so that any client of both has called it."""
    return not _keeps_clients(state) and _count_chosen(state) >= ENOUGH


def is_to_be_confirmed(state: RolloutState) -> bool:
    """Return whether labels were found that the canary's requests have yet to confirm."""
    learned = state.learned
    return learned is not None and bool(learned.found_pods) and not learned.is_confirmed


def awaits_confirmation(state: RolloutState) -> bool:
    """Return whether evidence is not weighed yet, because a label is to be confirmed."""
    learned = state.learned
    return learned is not None and learned.is_weighed_after and is_to_be_confirmed(state)


def can_be_confirmed(state: RolloutState, now: float) -> bool:
    """Return whether the canary's requests suffice to confirm labels that were found.

    That is in the second half of its warm-up, in which nothing counts yet, or later: then nothing
    has been weighed before it.
    """
    learned = state.learned
    if state.first_canary_at is None or state.warm_at is None or learned is None:
        return False
    at = state.at_server(now)
    if at < state.first_canary_at + state.plan.spec.warmup / 2:
        return False
    is_late = learned.is_weighed_after and state.phase in _WEIGHED
    is_warming_up = state.phase in {"stepping", "observing"} and at < state.warm_at
    return (is_late or is_warming_up) and count_requests(state) >= ENOUGH


def list_used(state: RolloutState) -> dict[str, str]:
    """Return the confirmed labels by which guardrails are tested, to be looked at again."""
    learned = state.learned
    if learned is None or not (learned.is_confirmed and learned.is_weighed_after):
        return {}
    if state.phase not in _WEIGHED:
        return {}
    return {name: own for name, own in learned.labels.items() if name not in learned.unknown}


def take_back(learned: Learned, shared: dict[str, str], at: float) -> Learned:
    """Return what was learnt without a valid test for guardrails whose labels turned out `shared`.

    Evidence has been weighed by them, so no other test follows, and there is no verdict.
    """
    invalid = {
        name: replace(learned.dispersions[name], problem=describe_shared(label))
        for name, label in shared.items()
    }
    dispersions = {**learned.dispersions, **invalid}
    return learned.model_copy(update={"dispersions": dispersions, "at": at})


def describe_shared(label: str) -> str:
    """Say that a label does not tell pods apart, as it names who has to do with both versions."""
    return f"one value of the label {label} is in both versions' series: it names no pod of either"


def _keeps_clients(state: RolloutState) -> bool:
    traffic = state.plan.spec.traffic
    return has_affinity(state.plan) or bool(traffic and traffic.segment)


def _count_chosen(state: RolloutState) -> float:
    """Return the canary's requests that its weight explains: others are a tester's own."""
    return min(state.by_chance.canary, state.by_chance.due)


def count_requests(state: RolloutState) -> float:
    """Return the canary's requests, or copies of requests, that may confirm labels."""
    if splits_by_chance(state):
        return _count_chosen(state)
    tallies = state.traffic_tally, state.segment_tally, state.copy_tally
    return sum(tally.canary for tally in tallies)
