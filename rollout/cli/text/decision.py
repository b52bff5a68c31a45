"""Explain one decision: rule, numbers, boundary, queries, and the proof by replay.

`explain` collects everything as plain data and `text` formats it. The proof folds the entries
before the decision and runs `step` again, which must give the recorded decision.
"""

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
    """Collect everything that led to decision `number`. Raises InputError if it is not one."""
    entry = next((entry for entry in entries if entry.seq == number), None)
    if entry is None or not isinstance(entry.fact, Decided):
        decisions = [e.seq for e in entries if isinstance(e.fact, Decided)]
        raise InputError(
            f"entry {number} is no decision; the last decisions are "
            f"{', '.join(map(str, decisions[-5:])) or 'none'}"
        )
    fact = entry.fact
    # Up to the decision and without it: this is the state in which it was made.
    before = [e for e in entries if e.seq < number and e.fact.rollout == fact.rollout]
    state = states_of(before)[fact.rollout]
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
        "notes": _collect_notes(state, fact.at),
        "queries": _list_queries(fact, state),
        "replayed": not differs,
        "differs": list(differs),
    }


def _collect_notes(state: RolloutState, at: float) -> dict[str, list[str]]:
    """Return notes by guardrail: the basis of its error rates, and the effect of its buckets.

    When no bucket edge lies at the tolerance, a smaller one must be proven.
    """
    readouts = view(state, at).judgement.readouts
    return {
        name: [
            note
            for note in (rests_on(state, name), off_edge(guardrail.test.tolerance, readouts[name]))
            if note
        ]
        for name, guardrail in state.guardrails.items()
    }


def _list_queries(fact: Decided, state: RolloutState) -> list[dict[str, str]]:
    """Return the queries of that look, each with a link to its series at that time."""
    look_queries = queries([Ask(fact.rollout, state.plan, {})], fact.at)
    return [
        {"query": query.text, "link": _build_link(state, query.text, fact.at)}
        for query in look_queries
    ]


def _build_link(state: RolloutState, query: str, at: float) -> str:
    # The graph page plots an instant vector and refuses a range: cut the range off.
    instant, _, _ = query.rpartition("[")
    end = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
    parameters = {"g0.expr": instant, "g0.tab": "0", "g0.range_input": "15m", "g0.end_input": end}
    return f"{state.plan.spec.prometheus.url}/graph?{urlencode(parameters)}"


def text(explanation: dict[str, Any]) -> str:
    """Format the explanation as text."""
    joint = explanation["numbers"].get("joint")
    lines = [
        explanation["sentence"],
        "",
        f"decision   {explanation['id']} of {explanation['rollout']}, {explanation['at']}",
        f"reasons    {', '.join(explanation['reasons'])}",
        f"boundary   roll back when the mean e-process reaches 1/{explanation['false_rollback']:g}",
        f"           promote when every proof reaches 1/{explanation['false_promotion']:g}",
        f"joint      10^{joint:g}" if joint is not None else "",
    ]
    for name, numbers in explanation["numbers"].get("guardrails", {}).items():
        lines += [
            "",
            f"{name}: {numbers['verdict']}",
            *_format_numbers(numbers),
            f"  {explanation['rules'][name]}",
            *(f"  {note}" for note in explanation["notes"].get(name, ())),
        ]
    lines += ["", "queries (raw counters; differences are taken per series)"]
    lines += [f"  {query['query']}\n  {query['link']}" for query in explanation["queries"]]
    result = _describe_replay(explanation["differs"])
    lines += [
        "",
        f"replayed from the recorded samples: {result}",
        f"sealed     {explanation['hash']}",
    ]
    return "\n".join(lines)


def _describe_replay(differs: list[str]) -> str:
    """Describe how the replay differs.

    Different numbers alone are no alarm: a newer version may record more of them. A different
    action, split or reason is one, because the engine is deterministic.
    """
    if differs == ["numbers"]:
        return (
            "the same decision by other numbers: another version of Surefoot "
            "recorded them, or they were altered"
        )
    return "ANOTHER decision: do not trust this log" if differs else "the same decision"


def _format_numbers(numbers: dict[str, Any]) -> list[str]:
    counts = (
        f"  canary {numbers['canary_bad']} bad of {numbers['canary']}, "
        f"stable {numbers['stable_bad']} bad of {numbers['stable']}"
    )
    if numbers["edge"] is not None:
        counts += f" (bad: canary beyond {numbers['edge']:g}, stable beyond {numbers['partner']:g})"
    if numbers["estimate"] is None:
        return [counts]
    difference, allowed = (_format_points(numbers[key]) for key in ("estimate", "allowed"))
    return [
        counts,
        f"  difference {difference}, allowed {allowed}",
        f"  interval {_format_points(numbers['low'])} to {_format_points(numbers['high'])}",
        f"  difference by Mantel & Haenszel {_format_points(numbers.get('mantel_haenszel'))}",
        f"  harm {numbers['harm']:.0%}, proof {numbers['safe'] or 0:.0%} of the evidence needed",
    ]


def _format_points(value: float | None) -> str:
    return "unknown" if value is None else f"{value * 100:+.3g} pp"
