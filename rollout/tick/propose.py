"""One rollout's look: the question to its observer, and the facts that follow from the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rollout.decide.evidence.baseline import look_started_at
from rollout.decide.evidence.blindness import blindness
from rollout.decide.fold import fold
from rollout.decide.record.facts import Fact, Lived, Observed
from rollout.decide.rules.conclusion import conclude, is_watched
from rollout.decide.state.rollout import RolloutState
from rollout.decide.step import step
from rollout.ports import Answer, Ask

Step = tuple[Fact, RolloutState]
"""A fact, and the state after it."""


def ask(rollout: str, state: RolloutState) -> Ask:
    """Build the question to the observer: all samples newer than those that were counted."""
    newest = {name: look_started_at(state, guardrail) for name, guardrail in state.measured.items()}
    for own in state.plan.spec.guardrails:
        if newest[own.name] is None and not own.metric.needs_stable:
            newest[own.name] = state.guardrails[own.name].newest("canary")
        elif own.metric.pairs is not None:  # what came first of both orders, of which one may end
            newest[own.name] = state.guardrails[own.name].newest_of_all
    since = {name: at for name, at in newest.items() if at is not None}
    guardrails = state.measured.items()
    cursors = {name: guardrail.cursor for name, guardrail in guardrails if guardrail.tally is None}
    marks = {name: guardrail.tally for name, guardrail in guardrails}
    return Ask(rollout, state.plan, since, cursors, marks, state.started_at)


def propose(
    rollout: str,
    state: RolloutState,
    head: int,
    *,
    reads: Sequence[Fact],
    answer: Answer | None,
    now: float,
    lived: float | None = None,
    is_quiet: bool = False,
    controller: str = "",
) -> list[Step]:
    """Return a look's facts with their states, to be appended after entry `head`.

    `reads` is what the mesh showed. Every fact is folded before the next is computed: the decision
    sees the route and the observation of the same look. Each has the lived time; a look that
    leaves nothing else records it by itself after a `quiet` while, and where a guardrail has become
    blind or sees again. A decision names `controller` where an earlier entry names another.
    """
    if state.is_terminal and not is_watched(state, state.clock_at(now, lived)):
        return []
    look = _Look(state, head, lived)
    for fact in reads:
        look.add(fact)
    look.add(_build_observed(rollout, look.state, answer, now))
    decided = step(look.state, now, rollout, lived)
    if decided is not None and controller not in {"", state.controller}:
        decided = decided.model_copy(update={"controller": controller})
    look.add(decided)
    look.add(conclude(look.state, now, rollout, lived))
    if not look.steps and (is_quiet or _has_blindness_changed(state, now, lived)):
        look.add(Lived(rollout=rollout, at=now))
    return look.steps


def _has_blindness_changed(state: RolloutState, now: float, lived: float | None) -> bool:
    """Return whether other guardrails are blind than the journal knows."""
    if state.is_terminal or not state.is_lived:
        return False
    return blindness(state, now, lived).keys() != state.blind_since.keys()


@dataclass
class _Look:
    """The facts of one look so far, and the state after them."""

    state: RolloutState
    seq: int
    lived: float | None
    steps: list[Step] = field(default_factory=list)

    def add(self, fact: Fact | None) -> None:
        """Fold one more fact; None adds nothing."""
        if fact is not None:
            self.seq += 1
            if fact.lived != self.lived:
                fact = fact.model_copy(update={"lived": self.lived})
            self.state = fold(self.state, fact, self.seq)
            self.steps.append((fact, self.state))


def _build_observed(
    rollout: str, state: RolloutState, answer: Answer | None, now: float
) -> Fact | None:
    """Return the answer as a fact; None where it says nothing new."""
    if answer is None:
        return None
    series, problems = dict(answer.series), dict(answer.problems)
    measured = state.measured
    tallies = {
        name: tally
        for name, tally in answer.tallies.items()
        if answer.marks.get(name) == measured[name].tally  # else others counted meanwhile
    }
    recorded = {name: own.problem for name, own in measured.items() if own.problem}
    # Who cannot be asked says nothing of its clock.
    skew = state.skew if answer.skew is None else answer.skew
    if not series and not tallies and problems == recorded and skew == state.skew:
        return None
    zeros = {name: dict(origins) for name, origins in answer.origins.items() if name in series}
    return Observed(
        rollout=rollout,
        at=now,
        series=series,
        problems=problems,
        zeros=zeros,
        unbelieved=dict(answer.unbelieved),
        tallies=tallies,
        skew=skew or None,
    )
