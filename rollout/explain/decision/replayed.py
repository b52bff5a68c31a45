"""Explain one decision: rule, numbers, boundary, queries, and the proof by replay.

`explain` collects everything as plain data and `text` formats it. The proof folds the entries
before the decision and runs `step` again, which must give the recorded decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rollout.build import read_build
from rollout.decide.evidence.judges import describe_judge
from rollout.decide.record.facts import Observed
from rollout.decide.rules.view import view
from rollout.decide.state.rollout import RolloutState
from rollout.decide.step import step
from rollout.decide.text.error_rates import rests_on
from rollout.decide.text.experiment import condition_of
from rollout.decide.text.measurement import describe_allowed, off_edge
from rollout.explain.decision.number_lines import list_goal_numbers
from rollout.explain.decision.recorded import describe_recorded, find_decision, format_recorded
from rollout.explain.decision.turning_points import list_turning_points
from rollout.explain.status import states_of
from rollout.ports import Entry
from rollout.redact import redact_values
from rollout.review.look import differences


def explain(
    entries: Sequence[Entry], number: int, earlier: RolloutState | None = None
) -> dict[str, Any]:
    """Collect everything that led to decision `number`. Raises InputError if it is not one.

    `earlier` is the state of its rollout before the first of the entries, if they do not begin
    with its start.
    """
    _, fact = find_decision(entries, number)
    # Up to the decision and without it: this is the state in which it was made.
    before = [e for e in entries if e.seq < number and e.fact.rollout == fact.rollout]
    state = states_of(before, {fact.rollout: earlier} if earlier else {})[fact.rollout]
    recorded = describe_recorded(entries, number, state.plan, state.controller)
    differs = differences(fact, step(state, fact.at, fact.rollout, fact.lived))
    again = {
        "conditions": _list_conditions(state, fact.numbers),
        "notes": _collect_notes(state, before, fact.at),
        "turning_points": list_turning_points(state, fact),
        "replayed": not differs,
        "differs": list(differs),
    }
    return {**recorded, **redact_values(again)}


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


def text(explanation: dict[str, Any]) -> str:
    """Format the whole explanation as text."""
    return f"{format_recorded(explanation)}\n{format_replay(explanation)}"


def format_replay(explanation: dict[str, Any]) -> str:
    """Format what deciding again shows: what numbers rest on, and what would have changed it."""
    lines: list[str] = []
    for name, numbers in explanation["numbers"].get("goals", {}).items():
        condition = explanation["conditions"].get(name)
        head = f"{name} as a goal: {numbers['conclusion']}{f', {condition}' if condition else ''}"
        lines += ["", head, *list_goal_numbers(numbers)]
    lines += ["", "what the numbers rest on"]
    lines += [f"  {n}: {note}" for n, notes in explanation["notes"].items() for note in notes[1:]]
    lines += ["", "what would have changed it, by the same rules"]
    lines += [f"  {point}" for point in explanation["turning_points"]]
    result = describe_replay(explanation["differs"], explanation["controller"])
    lines += [
        "",
        f"replayed from the recorded counts of samples: {result}",
        f"sealed     {explanation['hash']}",
    ]
    return "\n".join(lines)


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
