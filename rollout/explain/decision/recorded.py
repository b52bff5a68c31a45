"""What the record itself holds of one decision: sentence, numbers, rules and queries.

It loads no statistics, which takes longer than reading does; `decision` decides again by them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from rollout.decide.record.facts import Decided, Observed, Started
from rollout.decide.text.measurement import describe_allowed
from rollout.decide.text.numbers import chance, decimal
from rollout.errors import InputError, ReplayError
from rollout.explain.decision.number_lines import list_numbers, list_segment_numbers
from rollout.observe.access.address import split_parameters
from rollout.observe.query import Query, measured_parts_of, queries_of
from rollout.plan.fields.base import RECORDED
from rollout.plan.fields.units import percent
from rollout.plan.model.guardrail import Guardrail
from rollout.plan.model.plan import Plan
from rollout.ports import Ask, Entry
from rollout.redact import redact_values

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


def find_decision(entries: Sequence[Entry], number: int) -> tuple[Entry, Decided]:
    """Find decision `number`. Raises InputError, which names the newest ones, if it is none."""
    entry = next((entry for entry in entries if entry.seq == number), None)
    if entry is not None and isinstance(entry.fact, Decided):
        return entry, entry.fact
    decisions = [e.seq for e in entries if isinstance(e.fact, Decided)]
    what = f"entry {number:,} is not a decision" if entry else f"there is no entry {number:,}"
    others = f"the last decisions are {', '.join(map(str, decisions[-5:]))}"
    raise InputError(f"{what}; {others if decisions else 'none came before it'}")


def _begins(entry: Entry, rollout: str) -> bool:
    return isinstance(entry.fact, Started) and entry.fact.rollout == rollout


def describe_recorded(
    entries: Sequence[Entry], number: int, plan: Plan | None = None, controller: str | None = None
) -> dict[str, Any]:
    """Collect what is recorded of decision `number`.

    Raises InputError if it is not one, ReplayError if its rollout never started.

    The plan, and which build began the rollout, are read from its start, unless they are given.
    """
    entry, fact = find_decision(entries, number)
    if plan is None:
        started = next((e.fact for e in entries if _begins(e, fact.rollout)), None)
        if not isinstance(started, Started):
            raise ReplayError(f"entry {number:,} speaks of {fact.rollout}, which was never started")
        plan = Plan.model_validate(started.plan, context=RECORDED).reading_at(started.prometheus)
        controller = started.controller
    looks = [
        e.fact
        for e in entries
        if isinstance(e.fact, Observed)
        and e.fact.rollout == fact.rollout
        and e.fact.at == fact.at
        and e.seq < number
    ]
    # The time for which Prometheus was asked, by the clock of the server.
    asked_at = fact.at - ((looks[-1].skew if looks else None) or 0.0)
    recorded = {
        "id": number,
        "hash": entry.hash,
        "at": datetime.fromtimestamp(fact.at, UTC).isoformat(),
        "rollout": fact.rollout,
        "evaluated_at": datetime.fromtimestamp(asked_at, UTC).isoformat(),
        "controller": fact.controller or controller,
        "plan_digest": plan.digest,
        "release": plan.spec.release.described if plan.spec.release else None,
        "action": fact.action,
        "sentence": fact.sentence,
        "reasons": list(fact.reasons),
        "false_rollback": plan.spec.confidence.false_rollback,
        "false_promotion": plan.spec.confidence.false_promotion,
        "numbers": fact.numbers,
        "rules": {g.name: _choose_rule(g) for g in plan.spec.guardrails},
        "notes": {g.name: [f"the plan: {describe_allowed(g)}"] for g in plan.spec.guardrails},
        "queries": _list_queries(fact.rollout, plan, asked_at),
    }
    return redact_values(recorded)


def _list_queries(rollout: str, plan: Plan, asked_at: float) -> list[dict[str, str]]:
    """Return the queries of that look, each with a link to its series at that time."""
    asked = measured_parts_of(Ask(rollout, plan, {}))
    look_queries = queries_of(asked, asked_at)
    return [{"query": query.text, "link": _build_link(query, asked_at)} for query in look_queries]


def _build_link(query: Query, at: float) -> str:
    # The graph page plots an instant vector and refuses a range: cut the range off.
    instant, _, _ = query.text.rpartition("[")
    end = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
    parameters = {"g0.expr": instant, "g0.tab": "0", "g0.range_input": "15m", "g0.end_input": end}
    base, own = split_parameters(query.source.url)
    return f"{base}/graph?{urlencode([*own, *parameters.items()])}"


def format_recorded(recorded: Mapping[str, Any]) -> str:
    """Format what is recorded of a decision as text."""
    joint = recorded["numbers"].get("joint")
    lines = [
        recorded["sentence"],
        "",
        f"decision   {recorded['id']:,} of {recorded['rollout']}, {recorded['at']}",
        f"reasons    {', '.join(recorded['reasons'])}",
        (
            f"rollback   at evidence of harm of {decimal(1 / recorded['false_rollback'])}, all "
            f"guardrails together (falseRollback: {percent(recorded['false_rollback'])})"
            f"{_describe_joint(joint)}"
        ),
        (
            f"promotion  at evidence of safety of {decimal(1 / recorded['false_promotion'])} "
            f"for every guardrail (falsePromotion: {percent(recorded['false_promotion'])})"
        ),
    ]
    if release := recorded["release"]:
        lines.append(f"release    {format_release(release)}")
    for name, numbers in recorded["numbers"].get("guardrails", {}).items():
        lines += [
            "",
            f"{name}: {numbers['verdict']}",
            *(f"  {note}" for note in recorded["notes"].get(name, ())[:1]),
            *list_numbers(numbers),
            f"  {recorded['rules'][name]}",
        ]
    for name, numbers in recorded["numbers"].get("segments", {}).items():
        lines += ["", f"{name}: {numbers['verdict']}", *list_segment_numbers(numbers)]
    lines += ["", "queries (of raw counters; increases are computed per series)"]
    lines += [f"  {query['query']}\n  {query['link']}" for query in recorded["queries"]]
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
