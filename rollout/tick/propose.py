"""One rollout's look: what is asked of its Prometheus, and the facts that the answer leads to."""

from __future__ import annotations

from rollout.decide.evidence.baseline import look_started_at
from rollout.decide.fold import fold
from rollout.decide.record.facts import Fact, Observed
from rollout.decide.state.rollout import RolloutState
from rollout.decide.step import step
from rollout.ports import Answer, Ask

Step = tuple[Fact, RolloutState]
"""A fact, and the state that it would lead to."""


def ask(rollout: str, state: RolloutState) -> Ask:
    """What the observer is asked: what is newer than what is known."""
    newest = {name: look_started_at(state, gauge) for name, gauge in state.gauges.items()}
    since = {name: at for name, at in newest.items() if at is not None}
    return Ask(rollout, state.plan, since)


def propose(
    rollout: str,
    state: RolloutState,
    head: int,
    *,
    drift: Fact | None,
    answer: Answer | None,
    now: float,
) -> list[Step]:
    """A look's facts after entry `head`; each is folded before the next is thought of."""
    found: list[Step] = []

    def note(fact: Fact | None) -> RolloutState:
        before = found[-1][1] if found else state
        if fact is None:
            return before
        found.append((fact, fold(before, fact, head + len(found) + 1)))
        return found[-1][1]

    if not state.terminal:
        note(step(note(_observed(rollout, note(drift), answer, now)), now, rollout))
    return found


def _observed(rollout: str, state: RolloutState, answer: Answer | None, now: float) -> Fact | None:
    """The answer, where it says anything new."""
    if answer is None:
        return None
    series, problems = dict(answer.series), dict(answer.problems)
    known = {name: gauge.problem for name, gauge in state.gauges.items() if gauge.problem}
    if not series and problems == known:
        return None
    return Observed(rollout=rollout, at=now, series=series, problems=problems)
