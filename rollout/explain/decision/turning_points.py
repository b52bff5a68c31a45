"""What would have changed a decision: the same rules, asked about other evidence at that look.

Nothing is guessed: the rules choose once more, with harm that decides, with proof of every
guardrail, or without the harm that was there. All else is as it was: time, phase, route, commands.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from analysis.verdict.verdict import Judgement, Verdict
from rollout.decide.record.facts import Decided
from rollout.decide.rules.authority import act_as_full, limit
from rollout.decide.rules.choice import Choice
from rollout.decide.rules.view import View, view
from rollout.decide.state.rollout import RolloutState
from rollout.decide.step import choose
from rollout.decide.text.comparison import format_split
from rollout.decide.text.numbers import decimal

_NOTHING = "neither harm nor proof would have: it rests on the time, the route or a person"


def list_turning_points(state: RolloutState, decided: Decided) -> list[str]:
    """Say what other evidence would have led to, where that is another action; one line each.

    `state` is the one in which the decision was made.
    """
    lived = state.lived_by(decided.at) if decided.lived is None else decided.lived
    current = view(act_as_full(state), decided.at, lived)
    taken = _describe(limit(state, current, choose(current)))
    points = []
    for condition, other in _list_others(current):
        outcome = _describe(limit(state, other, choose(other)))
        if outcome != taken:
            points.append(f"{condition}: {outcome}")
    return points or [_NOTHING]


def _list_others(current: View) -> Iterator[tuple[str, View]]:
    """Yield other evidence in words, with the view that it would have made."""
    judgement = current.judgement
    bar, there = -math.log(judgement.alpha), judgement.log_joint
    asked, counted = decimal(math.exp(bar)), decimal(math.exp(min(there, 50.0)))
    if judgement.harmful:
        condition = f"without evidence of harm of {asked} ({counted} was there)"
        yield condition, replace(current, judgement=_without_harm(judgement))
        return
    harm = replace(judgement, harmful=True, cause=("joint",), log_joint=max(there, bar))
    condition = f"with evidence of harm of {asked} ({counted} was there)"
    yield condition, replace(current, judgement=harm)
    lacking = [name for name, own in judgement.verdicts.items() if not own.lets_promote]
    if not lacking:
        yield "without proof of every guardrail", replace(current, judgement=_unproven(judgement))
    else:
        shares = ", ".join(f"{name} ({_format_proof(judgement, name)})" for name in lacking)
        proven = replace(current, judgement=_with_proof(judgement), blind={})
        yield f"with proof of {shares}", proven


def _without_harm(judgement: Judgement) -> Judgement:
    verdicts = {
        name: Verdict("undecided") if own.kind == "harmful" else own
        for name, own in judgement.verdicts.items()
    }
    joint = min(judgement.log_joint, 0.0)
    return replace(judgement, harmful=False, cause=(), log_joint=joint, verdicts=verdicts)


def _with_proof(judgement: Judgement) -> Judgement:
    verdicts = {
        name: own if own.lets_promote else Verdict("safe")
        for name, own in judgement.verdicts.items()
    }
    return replace(_without_harm(judgement), safe=True, verdicts=verdicts)


def _unproven(judgement: Judgement) -> Judgement:
    verdicts = dict.fromkeys(judgement.verdicts, Verdict("undecided"))
    return replace(judgement, safe=False, verdicts=verdicts)


def _format_proof(judgement: Judgement, name: str) -> str:
    """Format how much of a guardrail's proof was there; harm or blindness stand against it too."""
    share = judgement.proof_of(name)
    there = "no test" if share is None else f"{max(share, 0.0) * 100:,.0f} % of it was there"
    kind = judgement.verdicts[name].kind
    return there if kind == "undecided" else f"{kind}; {there}"


def _describe(choice: Choice) -> str:
    """Describe a choice: the action, and the weight where it moves it."""
    if choice.would is not None:
        chosen, split = f"would {choice.would.action}", choice.would.split
    else:
        chosen, split = str(choice.action), choice.split
    moves = choice.action not in {"hold", "pause", "resume", "end"} or choice.would is not None
    return f"{chosen} ({format_split(split)})" if moves else chosen
