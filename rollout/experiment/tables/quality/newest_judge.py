"""The looks in which a judge's newest version scored: other versions have another scale.

With another version the controller's counts, shares and intervals start anew, and so do tables that
add looks up. What each look counted is in `rates`, whoever scored.
"""

from __future__ import annotations

from collections.abc import Sequence

from rollout.decide.record.facts import Observed
from rollout.review.history import RecordedRollout
from rollout.review.units import LookUnits


def list_times(record: RecordedRollout, name: str) -> set[float]:
    """List when the judge's newest version scored a guardrail's units, and no other one did.

    They are unix times of looks; those of all looks where no version is told.
    """
    newest = record.state.measured[name].judged_anew
    return {
        entry.fact.at
        for entry, state in zip(record.entries, record.states, strict=True)
        if isinstance(entry.fact, Observed)
        and state.measured[name].judged_anew == newest
        and not _is_mixed(entry.fact, name)
    }


def _is_mixed(fact: Observed, name: str) -> bool:
    tally = fact.tallies.get(name)
    return tally is not None and len(tally.judges) > 1


def leave_out_others(record: RecordedRollout, looks: Sequence[LookUnits]) -> list[LookUnits]:
    """Return looks without those of guardrails whose judge was another version then."""
    measured = record.state.measured
    changed = {own.guardrail for own in looks if measured[own.guardrail].judged_anew is not None}
    times = {name: list_times(record, name) for name in changed}
    return [own for own in looks if own.guardrail not in times or own.at in times[own.guardrail]]
