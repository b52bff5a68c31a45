"""What came of a decision in the counts: how requests were split once the mesh had confirmed it."""

from __future__ import annotations

from collections.abc import Iterable

from rollout.decide.evidence.exposure import exposure_guardrail
from rollout.decide.record.facts import Decided, Observed
from rollout.decide.record.route_facts import Confirmed
from rollout.plan.fields.units import percent
from rollout.plan.model.plan import Plan
from rollout.ports import Entry
from rollout.review.traffic import count_recent

MOST_LOOKS = 200  # that are counted: a step of a day has thousands


def describe_counted(plan: Plan, entries: Iterable[Entry], decision: int) -> str:
    """Say which share of the requests the canary got from a decision's confirmation on.

    `entries` are the rollout's after the decision. Looks count until the next move, the first
    `MOST_LOOKS` of them. Empty where nothing was confirmed or counted.
    """
    looks = _list_looks(entries, decision)
    units = count_recent(looks, exposure_guardrail(plan))
    if units is None:
        return ""
    canary, stable = units.counts.canary_exposures, units.counts.stable_exposures
    total = canary + stable
    if not total:
        return ""
    share = percent(round(canary / total, 4))
    return f"the canary got {share} of {total:,} requests that were counted after that"


def _list_looks(entries: Iterable[Entry], decision: int) -> list[Observed]:
    looks: list[Observed] = []
    is_confirmed = False
    for entry in entries:
        fact = entry.fact
        if isinstance(fact, Decided) and fact.action != "hold":
            break
        if isinstance(fact, Confirmed) and fact.decision == decision:
            is_confirmed = True
        elif isinstance(fact, Observed) and is_confirmed and len(looks) < MOST_LOOKS:
            looks.append(fact)
    return looks
