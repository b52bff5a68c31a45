"""What is still to come: how much evidence is missing, and what acts by itself, and when.

How it works: log evidence of safety grows about evenly with what the canary answers, so what is
there of it tells about how many units all of it takes. It is no promise: another difference between
the versions takes more or fewer. Below a fifth of the evidence it would be a guess, and none is
made.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from analysis.verdict.readout import Readout
from rollout.decide.evidence.exposure import exposure_guardrail, share_of_all
from rollout.decide.rules.safety import CLIMBING
from rollout.decide.rules.view import View
from rollout.decide.state.rollout import RolloutState
from rollout.plan.fields.units import duration
from rollout.plan.model.ramp import Steps

_LEAST = 0.2  # share of the evidence of safety from which on the rest is estimated


@dataclass(frozen=True)
class Forecast:
    """How many of the canary's units prove a guardrail safe, of which some are there.

    `needed` is all of them, to two digits; `seconds` is how long the rest takes at this weight,
    None where nobody can tell.
    """

    units: int
    needed: int
    seconds: float | None

    @property
    def words(self) -> str:
        """Say it as people read it: `1,204 of about 1,800, ETA 14m`, at this weight."""
        left = "" if self.seconds is None else f", ETA {duration(self.seconds)}"
        return f"{self.units:,} of about {self.needed:,}{left}"


@dataclass(frozen=True)
class Timer:
    """What acts by itself, unless something comes before: in so many seconds of lived time.

    `at` is when that is, in unix seconds, if the wall clock goes on as the rollout lives.
    """

    acts: str
    seconds: float
    at: float


def forecast_proof(view: View, name: str) -> Forecast | None:
    """Estimate when a guardrail is proven safe; None where it is, cannot be, or it is too early."""
    verdict, readout = view.judgement.verdicts[name], view.judgement.readouts[name]
    safe = readout.safe or 0.0
    if verdict.kind != "undecided" or not _LEAST <= safe < 1 or not readout.canary:
        return None
    needed = max(_round(readout.canary / safe), readout.canary + 1)
    pace = _find_pace(view, readout)
    left = (needed - readout.canary) / pace if pace else None
    return Forecast(readout.canary, needed, left)


def _round(count: float) -> int:
    """Round up to two digits: more would say more than is known."""
    unit: int = 10 ** max(math.floor(math.log10(count)) - 1, 0)
    return math.ceil(count / unit) * unit


def _find_pace(view: View, readout: Readout) -> float:
    """Return the canary's units in a second at this weight, of the kind that a guardrail counts."""
    state = view.state
    share = share_of_all(state.plan, state.split) or 0.0
    requests = view.judgement.readouts[exposure_guardrail(state.plan)].canary
    per_request = readout.canary / requests if requests else 1.0
    return state.requests_per_look / state.plan.spec.interval * share * per_request


def describe_step(state: RolloutState) -> str:
    """Say which step of how many the canary's weight is at: `step 2 of 4`; empty without steps."""
    ramp = state.plan.spec.ramp
    if not isinstance(ramp, Steps):
        return ""
    share = state.live.share + 1e-9
    reached = sum(step <= share for step in ramp.steps)
    if reached == len(ramp.steps) and state.live.share > max(ramp.steps) + 1e-9:
        return "beyond the steps"
    return f"step {reached} of {len(ramp.steps)}" if reached else "before the first step"


def list_timers(view: View) -> list[Timer]:
    """Return what acts by itself and when, the soonest first; none of an ended rollout."""
    if view.state.is_terminal or view.state.is_following:
        return []
    acts = sorted(_list_acts(view), key=lambda act: act[1])
    left = ((what, max(seconds, 0.0)) for what, seconds in acts)
    return [Timer(what, seconds, view.now + seconds) for what, seconds in left]


def _list_acts(view: View) -> Iterator[tuple[str, float]]:
    """Yield what acts, and in how many seconds."""
    state, spec = view.state, view.state.plan.spec
    if state.phase == "paused":
        waited = view.clock - (state.paused_at or view.clock)
        yield "roll back, unless somebody ends the pause", spec.patience - waited
        return
    if state.phase in CLIMBING - {"retreated"} and view.blind:
        name = max(view.blind, key=view.blind_for)
        then = "pause" if spec.when_blind.then == "pause" else "roll back"
        yield f"{then}, while {name} is blind", spec.when_blind.hold - view.blind_for(name)
    late: str = spec.when_inconclusive
    late = "roll back" if late == "rollback" else late
    late = "end the observation" if state.authority == "observe" else late
    yield f"{late}, without proof by the deadline", state.due_at - view.clock
