"""One rollout's look: what is asked of its Prometheus, and the facts that the answer leads to."""

from __future__ import annotations

from rollout.decide.evidence.baseline import began
from rollout.decide.fold import fold
from rollout.decide.record.facts import Fact, Observed
from rollout.decide.state.rollout import State
from rollout.decide.step import step
from rollout.ports import Answer, Ask

Thought = tuple[Fact, State]
"""A fact, and the state that it would lead to."""


def ask(rollout: str, state: State) -> Ask:
    """What the observer is asked: what is newer than what is known."""
    newest = {name: began(state, gauge) for name, gauge in state.gauges.items()}
    since = {name: at for name, at in newest.items() if at is not None}
    return Ask(rollout, state.plan, since)


def thoughts(
    rollout: str,
    state: State,
    head: int,
    *,
    drift: Fact | None,
    answer: Answer | None,
    now: float,
) -> list[Thought]:
    """A look's facts after entry `head`; each is folded before the next is thought of."""
    found: list[Thought] = []

    def note(fact: Fact | None) -> State:
        before = found[-1][1] if found else state
        if fact is None:
            return before
        found.append((fact, fold(before, fact, head + len(found) + 1)))
        return found[-1][1]

    if not state.terminal:
        note(step(note(_observed(rollout, note(drift), answer, now)), now, rollout))
    return found


def _observed(rollout: str, state: State, answer: Answer | None, now: float) -> Fact | None:
    """The answer, where it says anything new."""
    if answer is None:
        return None
    series, problems = dict(answer.series), dict(answer.problems)
    known = {name: gauge.problem for name, gauge in state.gauges.items() if gauge.problem}
    if not series and problems == known:
        return None
    return Observed(rollout=rollout, at=now, series=series, problems=problems)
