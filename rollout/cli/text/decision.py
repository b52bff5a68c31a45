"""One decision taken apart: rule, numbers, boundary, queries, and the proof by replay."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from rollout.cli.text.report import states_of
from rollout.decide.record.facts import Decided
from rollout.decide.rules.view import view
from rollout.decide.state.rollout import RolloutState
from rollout.decide.step import step
from rollout.decide.text.measurement import off_edge
from rollout.decide.text.sentence import rests_on
from rollout.errors import InputError
from rollout.observe.query import queries
from rollout.ports import Ask, Entry
from rollout.review.look import differences

RULES = {
    "rate": (
        "harm: R, a ratio-likelihood e-process of p_canary <= ratio * p_stable + absolute; "
        "proof: D, an e-process of the opposite"
    ),
    "shape": (
        "harm: H, a k-sample e-process on the buckets with stable moved by the tolerance; "
        "proof: D at stable's .5/.9/.95/.99 edges"
    ),
}


def explain(entries: Sequence[Entry], number: int) -> dict[str, Any]:
    """Everything that led to entry `number`. Raises InputError when it is no decision."""
    entry = next((entry for entry in entries if entry.seq == number), None)
    if entry is None or not isinstance(entry.fact, Decided):
        decisions = [e.seq for e in entries if isinstance(e.fact, Decided)]
        raise InputError(
            f"entry {number} is no decision; the last decisions are "
            f"{', '.join(map(str, decisions[-5:])) or 'none'}"
        )
    fact = entry.fact
    own = [e for e in entries if e.seq < number and e.fact.rollout == fact.rollout]
    state = states_of(own)[fact.rollout]
    confidence = state.plan.spec.confidence
    differs = differences(fact, step(state, fact.at, fact.rollout))
    return {
        "id": number,
        "hash": entry.hash,
        "at": datetime.fromtimestamp(fact.at, UTC).isoformat(),
        "rollout": fact.rollout,
        "plan_digest": state.plan.digest,
        "action": fact.action,
        "sentence": fact.sentence,
        "reasons": list(fact.reasons),
        "false_rollback": confidence.false_rollback,
        "false_promotion": confidence.false_promotion,
        "numbers": fact.numbers,
        "rules": {g.name: RULES[g.source.kind] for g in state.plan.spec.guardrails},
        "notes": _notes(state, fact.at),
        "queries": _queries(fact, state),
        "replayed": not differs,
        "differs": list(differs),
    }


def _notes(state: RolloutState, at: float) -> dict[str, list[str]]:
    """By guardrail, what its error rates rest on, and what the buckets make of its tolerance."""
    readouts = view(state, at).judgement.readouts
    return {
        name: [
            note for note in (rests_on(state, name), off_edge(gauge.rule, readouts[name])) if note
        ]
        for name, gauge in state.gauges.items()
    }


def _queries(fact: Decided, state: RolloutState) -> list[dict[str, str]]:
    """The queries of that look, each with a link that shows the series at that time."""
    asked = queries([Ask(fact.rollout, state.plan, {})], fact.at)
    return [{"query": query.text, "link": _link(state, query.text, fact.at)} for query in asked]


def _link(state: RolloutState, query: str, at: float) -> str:
    instant, _, _ = query.rpartition("[")
    end = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
    shown = {"g0.expr": instant, "g0.tab": "0", "g0.range_input": "15m", "g0.end_input": end}
    return f"{state.plan.spec.prometheus.url}/graph?{urlencode(shown)}"


def text(told: dict[str, Any]) -> str:
    """The explanation for people."""
    joint = told["numbers"].get("joint")
    lines = [
        told["sentence"],
        "",
        f"decision   {told['id']} of {told['rollout']}, {told['at']}",
        f"reasons    {', '.join(told['reasons'])}",
        f"boundary   roll back when the mean e-process reaches 1/{told['false_rollback']:g}",
        f"           promote when every proof reaches 1/{told['false_promotion']:g}",
        f"joint      10^{joint:g}" if joint is not None else "",
    ]
    for name, numbers in told["numbers"].get("guardrails", {}).items():
        lines += [
            "",
            f"{name}: {numbers['verdict']}",
            *_numbers(numbers),
            f"  {told['rules'][name]}",
            *(f"  {note}" for note in told["notes"].get(name, ())),
        ]
    lines += ["", "queries (raw counters; differences are taken per series)"]
    lines += [f"  {query['query']}\n  {query['link']}" for query in told["queries"]]
    again = _again(told["differs"])
    lines += ["", f"replayed from the recorded samples: {again}", f"sealed     {told['hash']}"]
    return "\n".join(lines)


def _again(differs: list[str]) -> str:
    """What came out of the replay. Numbers are told otherwise by a version that computes more."""
    if differs == ["numbers"]:
        return (
            "the same decision by other numbers: another version of Surefoot "
            "recorded them, or they were altered"
        )
    return "ANOTHER decision: do not trust this log" if differs else "the same decision"


def _numbers(numbers: dict[str, Any]) -> list[str]:
    counts = (
        f"  canary {numbers['canary_bad']} bad of {numbers['canary']}, "
        f"stable {numbers['stable_bad']} bad of {numbers['stable']}"
    )
    if numbers["edge"] is not None:
        counts += f" (bad: canary beyond {numbers['edge']:g}, stable beyond {numbers['partner']:g})"
    if numbers["estimate"] is None:
        return [counts]
    return [
        counts,
        f"  difference {_pp(numbers['estimate'])}, allowed {_pp(numbers['allowed'])}",
        f"  interval {_pp(numbers['low'])} to {_pp(numbers['high'])}",
        f"  difference by Mantel & Haenszel {_pp(numbers.get('mantel_haenszel'))}",
        f"  harm {numbers['harm']:.0%}, proof {numbers['safe'] or 0:.0%} of the evidence needed",
    ]


def _pp(value: float | None) -> str:
    return "unknown" if value is None else f"{value * 100:+.3g} pp"
