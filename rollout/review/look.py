"""Judge and decide one look again, from what the journal holds of its samples.

How it works: the caller folds a rollout's entries and passes the state after each. A look is an
observation and the decision with the same time, which the controller appends right after it. The
evidence of a look is the state after the observation and before the decision; `step` is a pure
function of that state, so it must give the recorded decision again.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.log_arrays import log_sum
from analysis.verdict.readout import Readout
from rollout.decide.record.facts import Decided, Observed
from rollout.decide.rules.view import View, view
from rollout.decide.state.rollout import RolloutState
from rollout.decide.step import step
from rollout.decide.text.suppression import find_suppressed
from rollout.ports import Entry
from rollout.review.elapsed import list_elapsed

PARTS = ("action", "split", "reasons", "numbers", "would")
"""The fields that a replay must reproduce; texts may differ, see `_compared`."""
_TEXTS = frozenset({"reason", "words"})
"""The keys of a guardrail's recorded numbers that hold text."""
_NEWER = frozenset({"exposure"})
"""Numbers that older versions did not record: an entry without them is no other decision."""


@dataclass(frozen=True)
class GuardrailAtLook:
    """One guardrail at one look; logs to base 10.

    `log10_harm` is the weighted e-process of the guardrail, its term in the mean e-process.
    `log10_proof` is the evidence that it is within its margin, None while unknown. `edges` holds
    the readout of a histogram at every edge; a rate has one readout, without an edge.
    """

    guardrail: str
    verdict: str
    reason: str
    log10_harm: float
    log10_proof: float | None
    readout: Readout
    edges: tuple[Readout, ...]


@dataclass(frozen=True)
class Look:
    """One look: `decided` is the decision in the journal, `again` the decision of the replay.

    `at` is in unix time, `seconds` since the start. Both decisions are None when the look changed
    nothing. `log10_mean` is the evidence that a rollback rests on; `log10_crash` is the term that
    the crash watch adds to it, `log10_segments` that of all segments together whose numbers are
    told. `controller` is the build that recorded the look.
    """

    at: float
    seconds: float
    share: float
    readings: tuple[GuardrailAtLook, ...]
    log10_mean: float
    log10_crash: float | None
    log10_segments: float | None
    decided: Entry | None
    again: Decided | None
    controller: str

    @property
    def fact(self) -> Decided | None:
        """The recorded decision; None when the look has none."""
        fact = self.decided.fact if self.decided else None
        return fact if isinstance(fact, Decided) else None

    @property
    def differs(self) -> tuple[str, ...]:
        """The fields in which the replayed decision differs; empty when it is the same."""
        return differences(self.fact, self.again)


def differences(recorded: Decided | None, again: Decided | None) -> tuple[str, ...]:
    """Name the fields in which two decisions differ; ("decision",) when only one exists."""
    if recorded is None or again is None:
        return () if recorded is again else ("decision",)
    absent = _NEWER - recorded.numbers.keys()
    again = _tell_as_recorded(recorded, again)
    return tuple(
        name
        for name in PARTS
        if _compared(recorded, name, absent) != _compared(again, name, absent)
    )


def _tell_as_recorded(recorded: Decided, again: Decided) -> Decided:
    """Return the replayed decision with a segment's numbers only where both tell them.

    Which of them are told is no part of the decision: older versions told more. Verdicts are.
    """
    before, after = (own.numbers.get("segments", {}) for own in (recorded, again))
    segments = {
        name: {**before[name], "verdict": numbers["verdict"]}
        if name in before and before[name].keys() != numbers.keys()
        else numbers
        for name, numbers in after.items()
    }
    if not segments:
        return again
    return again.model_copy(update={"numbers": {**again.numbers, "segments": segments}})


def _compared(decision: Decided, name: str, absent: Collection[str]) -> object:
    """Return what is compared of a field: no texts, since a better wording is no other decision.

    The numbers of each guardrail hold two texts: why it is blind, and what is counted. Numbers that
    are `absent` in the recorded decision are left out.
    """
    value = getattr(decision, name)
    if name != "numbers":
        return value
    guardrails = {
        guardrail: {key: number for key, number in numbers.items() if key not in _TEXTS}
        for guardrail, numbers in value.get("guardrails", {}).items()
    }
    numbers = {key: number for key, number in value.items() if key not in absent}
    return {**numbers, "guardrails": guardrails}


def looks(entries: Sequence[Entry], states: Sequence[RolloutState]) -> Iterator[Look]:
    """Yield one rollout's looks, from its entries and the state after each.

    A look is an observation with the decision at the same time, or either alone.
    """
    elapsed = list_elapsed(entries, states)
    for index, entry in enumerate(entries):
        at, seconds = entry.fact.at, elapsed[index]
        if isinstance(entry.fact, Observed):
            after = entries[index + 1] if index + 1 < len(entries) else None
            yield _build_look(states[index], at, seconds, _match_decision(entry, after))
        elif isinstance(entry.fact, Decided) and not _match_decision(entries[index - 1], entry):
            # The state before the decision: `step` decided on it, and folding it in changes it.
            # Index 0 cannot occur: a rollout's first entry is `started`.
            yield _build_look(states[index - 1], at, seconds, entry)


def _match_decision(observed: Entry, following: Entry | None) -> Entry | None:
    """Return the following entry if it is the decision of the observation's look.

    Both facts of a look carry the same time.
    """
    if following is None or not isinstance(following.fact, Decided):
        return None
    if not isinstance(observed.fact, Observed):
        return None
    return following if following.fact.at == observed.fact.at else None


def _build_look(state: RolloutState, at: float, seconds: float, decided: Entry | None) -> Look:
    rollout_view = view(state, at)
    crash = rollout_view.judgement.log_crash
    return Look(
        at=at,
        seconds=seconds,
        share=state.split.served_share,
        readings=tuple(_build_reading(rollout_view, name) for name in state.guardrails),
        log10_mean=_to_log10(rollout_view.judgement.log_joint),
        log10_crash=None if crash is None else _to_log10(crash),
        log10_segments=_sum_segments(rollout_view),
        decided=decided,
        again=_decide_again(state, at, decided),
        controller=_find_controller(state, decided),
    )


def _sum_segments(rollout_view: View) -> float | None:
    """Return the evidence of harm of all segments that are told; None where there is none."""
    judgement, suppressed = rollout_view.judgement, find_suppressed(rollout_view.state)
    logs = [judgement.log_parts[name] for name in judgement.segments if name not in suppressed]
    return _to_log10(float(log_sum(np.array(logs)))) if logs else None


def _find_controller(state: RolloutState, decided: Entry | None) -> str:
    fact = decided.fact if decided else None
    own = fact.controller if isinstance(fact, Decided) else None
    return own or state.controller


def _decide_again(state: RolloutState, at: float, decided: Entry | None) -> Decided | None:
    """Return the decision of the replay, with the lived time that the recorded one has."""
    if decided is None:
        return step(state, at, "")
    return step(state, at, decided.fact.rollout, decided.fact.lived)


def _build_reading(rollout_view: View, name: str) -> GuardrailAtLook:
    judgement = rollout_view.judgement
    proof, levels = judgement.log_proofs[name], (judgement.alpha, judgement.beta)
    readout, verdict = judgement.readouts[name], judgement.verdicts[name]
    return GuardrailAtLook(
        guardrail=name,
        verdict=verdict.kind,
        reason=verdict.reason,
        log10_harm=_to_log10(judgement.log_parts[name]),
        # Minus infinity stands for "not known yet": a histogram whose edges are not chosen.
        log10_proof=_to_log10(proof) if math.isfinite(proof) else None,
        readout=readout,
        edges=judgement.guards[name].test.read_edges(*levels) or (readout,),
    )


def _to_log10(natural: float) -> float:
    return natural / math.log(10)
