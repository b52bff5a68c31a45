"""Explain one decision: rule, numbers, boundary, queries, and the proof by replay.

`explain` collects everything as plain data and `text` formats it. The proof folds the entries
before the decision and runs `step` again, which must give the recorded decision.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from rollout.build import read_build
from rollout.decide.evidence.judges import describe_judge
from rollout.decide.record.facts import Decided, Observed
from rollout.decide.rules.view import view
from rollout.decide.state.rollout import RolloutState
from rollout.decide.step import step
from rollout.decide.text.error_rates import rests_on
from rollout.decide.text.experiment import condition_of
from rollout.decide.text.measurement import describe_allowed, off_edge
from rollout.decide.text.numbers import chance, decimal
from rollout.errors import InputError
from rollout.explain.number_lines import list_goal_numbers, list_numbers, list_segment_numbers
from rollout.explain.status import states_of
from rollout.explain.turning_points import list_turning_points
from rollout.observe.access.address import split_parameters
from rollout.observe.query import Query, measured_parts_of, queries_of
from rollout.plan.fields.units import percent
from rollout.plan.model.guardrail import Guardrail
from rollout.ports import Ask, Entry
from rollout.redact import redact_values
from rollout.review.look import differences

RULES = {
    "rate": (
        "tests      harm by the ratio test of p_canary <= ratio * p_stable + absolute, "
        "safety by the excess bound of the opposite"
    ),
    "shape": (
        "tests      harm by the bucket test against stable moved by the tolerance, safety by the "
        "excess bound at the edges near stable's .5, .9, .95 and .99 quantiles"
    ),
    "limit": (
        "tests      harm by the ratio test of p_canary <= limit, safety by the excess bound of the "
        "opposite; stable has no say"
    ),
    "ratio": (
        "tests      none: both versions' sums for each unit, by Mantel & Haenszel over looks; the "
        "interval is rough, by how looks vary, and decides nothing"
    ),
    "pairs": (
        "tests      a sequential sign test of lost pairs, over both orders alike, without ties; "
        "harm above the allowed share, safety below it"
    ),
    "human": "tests      none: people's labels are shown beside the judge's scores",
    "exposure": "tests      the share of traffic alone (sample ratio), and no harm",
    "never": "tests      none: what the canary does is counted, outside of the error rates",
}


def _choose_rule(guardrail: Guardrail) -> str:
    if not guardrail.metric.is_evidence:
        return RULES[guardrail.metric.kind]
    if guardrail.metric.pairs is not None:
        return RULES["pairs"]
    if guardrail.never is not None:
        return RULES["never"]
    if guardrail.bound is not None:
        return RULES["limit"]
    return RULES["rate" if guardrail.bad_margin else "shape"]


def explain(
    entries: Sequence[Entry], number: int, earlier: RolloutState | None = None
) -> dict[str, Any]:
    """Collect everything that led to decision `number`. Raises InputError if it is not one.

    `earlier` is the state of its rollout before the first of the entries, if they do not begin
    with its start.
    """
    entry = next((entry for entry in entries if entry.seq == number), None)
    if entry is None or not isinstance(entry.fact, Decided):
        decisions = [e.seq for e in entries if isinstance(e.fact, Decided)]
        what = f"entry {number:,} is not a decision" if entry else f"there is no entry {number:,}"
        others = f"the last decisions are {', '.join(map(str, decisions[-5:]))}"
        raise InputError(f"{what}; {others if decisions else 'none came before it'}")
    fact = entry.fact
    # Up to the decision and without it: this is the state in which it was made.
    before = [e for e in entries if e.seq < number and e.fact.rollout == fact.rollout]
    state = states_of(before, {fact.rollout: earlier} if earlier else {})[fact.rollout]
    confidence = state.plan.spec.confidence
    asked_at = _find_evaluation(before, fact.at)
    differs = differences(fact, step(state, fact.at, fact.rollout, fact.lived))
    explanation = {
        "id": number,
        "hash": entry.hash,
        "at": datetime.fromtimestamp(fact.at, UTC).isoformat(),
        "rollout": fact.rollout,
        "evaluated_at": datetime.fromtimestamp(asked_at, UTC).isoformat(),
        "controller": fact.controller or state.controller,
        "plan_digest": state.plan.digest,
        "release": state.plan.spec.release.described if state.plan.spec.release else None,
        "action": fact.action,
        "sentence": fact.sentence,
        "reasons": list(fact.reasons),
        "false_rollback": confidence.false_rollback,
        "false_promotion": confidence.false_promotion,
        "numbers": fact.numbers,
        "conditions": _list_conditions(state, fact.numbers),
        "rules": {g.name: _choose_rule(g) for g in state.plan.spec.guardrails},
        "notes": _collect_notes(state, before, fact.at),
        "turning_points": list_turning_points(state, fact),
        "queries": _list_queries(fact.rollout, state, asked_at),
        "replayed": not differs,
        "differs": list(differs),
    }
    return redact_values(explanation)


def _list_conditions(state: RolloutState, numbers: Mapping[str, Any]) -> dict[str, str]:
    """Return by goal under what its recorded conclusion holds; a journal may hold anything."""
    goals = numbers.get("goals")
    recorded = goals if isinstance(goals, Mapping) else {}
    conclusions = {
        name: own.get("conclusion") if isinstance(own, Mapping) else None
        for name, own in recorded.items()
    }
    return {
        name: condition_of(state, name, str(conclusion))
        for name, conclusion in conclusions.items()
        if name in state.goals
    }


def _collect_notes(state: RolloutState, before: Sequence[Entry], at: float) -> dict[str, list[str]]:
    """Return notes by guardrail: what the plan allows, its buckets, and its error rates' basis.

    When no bucket edge lies at the tolerance, a smaller one must be proven. What the look did not
    count is told as well.
    """
    readouts = view(state, at).judgement.readouts
    looks = [e.fact for e in before if isinstance(e.fact, Observed) and e.fact.at == at]
    unbelieved = looks[-1].unbelieved if looks else {}
    return {
        guardrail.name: [
            f"the plan: {describe_allowed(guardrail)}",
            *filter(None, [off_edge(guardrail, readouts[guardrail.name])]),
            rests_on(state, guardrail.name),
            *filter(None, [describe_judge(state.guardrails[guardrail.name], at)]),
            *(f"not counted: {words}" for words in unbelieved.get(guardrail.name, ())),
        ]
        for guardrail in state.plan.spec.guardrails
    }


def _find_evaluation(before: Sequence[Entry], at: float) -> float:
    """Return the time for which Prometheus was asked in a look, by the clock of the server."""
    looks = [e.fact for e in before if isinstance(e.fact, Observed) and e.fact.at == at]
    return at - ((looks[-1].skew if looks else None) or 0.0)


def _list_queries(rollout: str, state: RolloutState, asked_at: float) -> list[dict[str, str]]:
    """Return the queries of that look, each with a link to its series at that time."""
    asked = measured_parts_of(Ask(rollout, state.plan, {}))
    look_queries = queries_of(asked, asked_at)
    return [{"query": query.text, "link": _build_link(query, asked_at)} for query in look_queries]


def _build_link(query: Query, at: float) -> str:
    # The graph page plots an instant vector and refuses a range: cut the range off.
    instant, _, _ = query.text.rpartition("[")
    end = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
    parameters = {"g0.expr": instant, "g0.tab": "0", "g0.range_input": "15m", "g0.end_input": end}
    base, own = split_parameters(query.source.url)
    return f"{base}/graph?{urlencode([*own, *parameters.items()])}"


def text(explanation: dict[str, Any]) -> str:
    """Format the explanation as text."""
    joint = explanation["numbers"].get("joint")
    lines = [
        explanation["sentence"],
        "",
        f"decision   {explanation['id']:,} of {explanation['rollout']}, {explanation['at']}",
        f"reasons    {', '.join(explanation['reasons'])}",
        (
            f"rollback   at evidence of harm of {decimal(1 / explanation['false_rollback'])}, all "
            f"guardrails together (falseRollback: {percent(explanation['false_rollback'])})"
            f"{_describe_joint(joint)}"
        ),
        (
            f"promotion  at evidence of safety of {decimal(1 / explanation['false_promotion'])} "
            f"for every guardrail (falsePromotion: {percent(explanation['false_promotion'])})"
        ),
    ]
    if release := explanation["release"]:
        lines.append(f"release    {format_release(release)}")
    for name, numbers in explanation["numbers"].get("guardrails", {}).items():
        lines += [
            "",
            f"{name}: {numbers['verdict']}",
            *(f"  {note}" for note in explanation["notes"].get(name, ())),
            *list_numbers(numbers),
            f"  {explanation['rules'][name]}",
        ]
    for name, numbers in explanation["numbers"].get("segments", {}).items():
        lines += ["", f"{name}: {numbers['verdict']}", *list_segment_numbers(numbers)]
    for name, numbers in explanation["numbers"].get("goals", {}).items():
        condition = explanation["conditions"].get(name)
        head = f"{name} as a goal: {numbers['conclusion']}{f', {condition}' if condition else ''}"
        lines += ["", head, *list_goal_numbers(numbers)]
    lines += ["", "what would have changed it, by the same rules"]
    lines += [f"  {point}" for point in explanation["turning_points"]]
    lines += ["", "queries (of raw counters; increases are computed per series)"]
    lines += [f"  {query['query']}\n  {query['link']}" for query in explanation["queries"]]
    result = describe_replay(explanation["differs"], explanation["controller"])
    lines += [
        "",
        f"replayed from the recorded counts of samples: {result}",
        f"sealed     {explanation['hash']}",
    ]
    return "\n".join(lines)


def format_release(release: Mapping[str, str]) -> str:
    """Format a release: its digest, and what that is of."""
    components = [f"{key} {text}" for key, text in release.items() if key != "digest"]
    return f"{release['digest']} ({', '.join(components)})"


def _describe_joint(exponent: float | None) -> str:
    """Describe the joint evidence of harm, and the chance that it bounds (Ville's inequality)."""
    if exponent is None:
        return ""
    if exponent <= 0:
        return f"; here {decimal(10**exponent)}"
    odds = chance(exponent * math.log(10))
    return f"; here below {odds} by chance from a version within its margins"


def describe_replay(differs: Sequence[str], controller: str) -> str:
    """Describe how the replay differs from what the build `controller` recorded.

    That is no alarm where another build recorded it, since rules and numbers change; the chain of
    hashes tells whether somebody altered it. One build always decides the same.
    """
    if not differs:
        return "the same decision"
    if controller == read_build():
        return "ANOTHER decision by the very build that recorded it: do not trust this log"
    is_same = [*differs] == ["numbers"]
    otherwise = f"another decision ({', '.join(differs)})"
    return (
        f"{'the same decision by other numbers' if is_same else otherwise}: Surefoot {controller} "
        f"recorded it, and the rules of this one ({read_build()}) may differ; the entry is whole"
    )
