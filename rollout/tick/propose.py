"""One rollout's look: the question to its observer, and the facts that follow from the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rollout.decide.evidence.baseline import look_started_at
from rollout.decide.fold import fold
from rollout.decide.record.facts import Fact, Observed
from rollout.decide.rules.conclusion import conclude, is_watched
from rollout.decide.state.rollout import RolloutState
from rollout.decide.step import step
from rollout.ports import Answer, Ask

Step = tuple[Fact, RolloutState]
"""A fact, and the state after it."""


def ask(rollout: str, state: RolloutState) -> Ask:
    """Build the question to the observer: all samples newer than those that were counted."""
    newest = {
        name: look_started_at(state, guardrail) for name, guardrail in state.guardrails.items()
    }
    since = {name: at for name, at in newest.items() if at is not None}
    cursors = {name: guardrail.cursor for name, guardrail in state.guardrails.items()}
    return Ask(rollout, state.plan, since, cursors)


def propose(
    rollout: str,
    state: RolloutState,
    head: int,
    *,
    reads: Sequence[Fact],
    answer: Answer | None,
    now: float,
) -> list[Step]:
    """Return a look's facts with their states, to be appended after entry `head`.

    `reads` is what the mesh showed. Every fact is folded before the next is computed: the decision
    sees the route and the observation of the same look.
    """
    if state.is_terminal and not is_watched(state, now):
        return []
    look = _Look(state, head)
    for fact in reads:
        look.add(fact)
    look.add(_build_observed(rollout, look.state, answer, now))
    look.add(step(look.state, now, rollout))
    look.add(conclude(look.state, now, rollout))
    return look.steps


@dataclass
class _Look:
    """The facts of one look so far, and the state after them."""

    state: RolloutState
    seq: int
    steps: list[Step] = field(default_factory=list)

    def add(self, fact: Fact | None) -> None:
        """Fold one more fact; None adds nothing."""
        if fact is not None:
            self.seq += 1
            self.state = fold(self.state, fact, self.seq)
            self.steps.append((fact, self.state))


def _build_observed(
    rollout: str, state: RolloutState, answer: Answer | None, now: float
) -> Fact | None:
    """Return the answer as a fact; None where it says nothing new."""
    if answer is None:
        return None
    series, problems = dict(answer.series), dict(answer.problems)
    recorded = {
        name: guardrail.problem for name, guardrail in state.guardrails.items() if guardrail.problem
    }
    if not series and problems == recorded:
        return None
    zeros = {name: dict(origins) for name, origins in answer.origins.items() if name in series}
    return Observed(
        rollout=rollout,
        at=now,
        series=series,
        problems=problems,
        zeros=zeros,
        unbelieved=dict(answer.unbelieved),
    )
