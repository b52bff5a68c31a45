"""One row for each guardrail: what was compared, how much it differs, and the verdict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from analysis.verdict.readout import Readout
from rollout.decide.record.facts import Decided, Observed
from rollout.decide.rules.view import View, view
from rollout.decide.text.error_rates import explain_verdict
from rollout.decide.text.measurement import describe_allowed
from rollout.experiment.tables.evidence import describe_share
from rollout.plan.model.guardrail import Guardrail
from rollout.review.history import RecordedRollout

_ORDERS = "the difference weighs both orders of reading alike, the shares do not: see `pairs`"


@dataclass(frozen=True)
class ScorecardRow:
    """One guardrail at the last look that the rollout's decisions rest on.

    Units and bad ones are of looks that were compared: after the warm-up, with both versions.
    `difference` is the canary's share of bad units minus stable's, each look compared within
    itself; `low` and `high` bound it at all looks at once; `allowed` is the margin on that scale,
    `change` the difference relative to stable's share. `harm` and `safety` are shares of the
    evidence that a rollback and a promotion need: 1 decides. `note` says what is missing.
    """

    guardrail: str
    verdict: str
    what: str
    canary_units: int
    stable_units: int
    canary_bad: int
    stable_bad: int
    canary_share: float | None
    stable_share: float | None
    difference: float | None
    low: float | None
    high: float | None
    allowed: float | None
    change: float | None
    harm: float
    safety: float | None
    plan: str
    note: str


def scorecard(record: RecordedRollout) -> Iterator[ScorecardRow]:
    """Yield the last reading of each guardrail."""
    last = find_last_view(record)
    for guardrail in last.state.plan.spec.guardrails:
        yield _build_row(last, guardrail)


def find_last_view(record: RecordedRollout) -> View:
    """Return the view of the last look that was judged: what came after is not compared."""
    judged = [
        index
        for index, entry in enumerate(record.entries)
        if isinstance(entry.fact, Observed) and not record.states[index].is_terminal
    ]
    index = judged[-1] if judged else 0
    at = record.entries[index].fact.at
    following = record.entries[index + 1] if index + 1 < len(record.entries) else None
    decided = following.fact if following else None
    lived = decided.lived if isinstance(decided, Decided) and decided.at == at else None
    return view(record.states[index], at, lived)


def _build_row(last: View, guardrail: Guardrail) -> ScorecardRow:
    readout = last.judgement.readouts[guardrail.name]
    verdict = last.judgement.verdicts[guardrail.name]
    stable = _divide(readout.stable_bad, readout.stable)
    note = explain_verdict(last.state, guardrail.name, verdict) or _note(last, readout, guardrail)
    has_orders = guardrail.metric.pairs is not None and readout.estimate is not None
    return ScorecardRow(
        guardrail=guardrail.name,
        verdict=verdict.kind,
        what=describe_share(readout, guardrail.metric),
        canary_units=readout.canary,
        stable_units=readout.stable,
        canary_bad=readout.canary_bad,
        stable_bad=readout.stable_bad,
        canary_share=_divide(readout.canary_bad, readout.canary),
        stable_share=stable,
        difference=readout.estimate,
        low=readout.low,
        high=readout.high,
        allowed=readout.allowed,
        change=_find_change(readout, guardrail),
        harm=readout.harm,
        safety=readout.safe,
        plan=describe_allowed(guardrail),
        note="; ".join(filter(None, [note, _ORDERS if has_orders else ""])),
    )


def count_looks(number: int) -> str:
    """Write a number of looks."""
    return count(number, "look")


def count(number: int, unit: str) -> str:
    """Write a number of units whose plural has an s: `1 look`, `1,200 looks`."""
    return f"{number:,} {unit}{'' if number == 1 else 's'}"


def _divide(bad: int, units: int) -> float | None:
    return bad / units if units else None


def _find_change(readout: Readout, guardrail: Guardrail) -> float | None:
    """Return the relative change; of a ratio of sums that of the sum for each unit."""
    if readout.ratio is not None:
        return readout.ratio - 1
    if readout.estimate is None or not guardrail.metric.needs_stable or not readout.canary:
        return None
    reference = readout.canary_bad / readout.canary - readout.estimate
    return readout.estimate / reference if reference > 0 else None


def _note(last: View, readout: Readout, guardrail: Guardrail) -> str:
    if readout.ratio is not None and readout.ratio_low is not None:
        bounds = f"{readout.ratio_low:.3g} to {readout.ratio_high:.3g}"
        return f"the canary's is {readout.ratio:.3g} times stable's, roughly {bounds}"
    if not guardrail.metric.is_evidence or readout.estimate is not None:
        return ""
    if last.state.warm_at is None and guardrail.metric.pairs is None:
        return "not enough: nothing is compared before the canary's warm-up, which has not begun"
    return f"not enough: {_find_lack(readout, guardrail)}"


def _find_lack(readout: Readout, guardrail: Guardrail) -> str:
    if guardrail.metric.pairs is not None:
        return "no decided pairs of both orders"
    if not readout.canary and not readout.stable:
        return "no look after the warm-up had units of both versions"
    if not readout.canary:
        return "the canary had no unit in a look that counts"
    if not readout.stable and guardrail.metric.needs_stable:
        return "stable had no unit in a look that counts"
    return "no edge of the histogram can be compared yet"
