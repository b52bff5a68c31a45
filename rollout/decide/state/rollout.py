"""A rollout's state, and the table of legal phase changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from analysis import sample_ratio
from analysis.histograms.alternatives import HistogramTolerance
from analysis.rates.rate import RateMargin
from analysis.verdict.exposure_count import ExposureCount, LabelCount
from analysis.verdict.histogram_test import HistogramTest
from analysis.verdict.limit_test import LimitTest
from analysis.verdict.never_test import NeverTest
from analysis.verdict.pairs_test import PairsGoal, PairsTest
from analysis.verdict.rate_test import RateTest
from analysis.verdict.sequential_test import SequentialTest
from analysis.verdict.sum_ratio_test import SumRatioTest
from analysis.verdict.superiority_test import GoalTest, SuperiorityTest
from rollout.decide.record.facts import Action, Decided, HumanSaid, Learned, Started
from rollout.decide.record.reasons import Reason, first_reason
from rollout.decide.record.route_facts import RouteRead
from rollout.decide.record.split import Split
from rollout.decide.state.delivery import Delivery
from rollout.decide.state.following import End, Following
from rollout.decide.state.guardrail import GuardrailState
from rollout.decide.state.retreat import Retreat
from rollout.decide.state.traffic_tally import TrafficTally
from rollout.decide.state.trial import TrialProgress
from rollout.plan.fields.base import RECORDED
from rollout.plan.model.limits import find_edge_in
from rollout.plan.model.plan import Guardrail, Plan
from rollout.plan.model.terms import FULL, Authority, find_narrowest, only_observes

Phase = Literal[
    "waiting",
    "stepping",
    "holding back",
    "retreated",
    "paused",
    "promoting",
    "reverting",
    "following",
    "promoted",
    "rolled back",
    "undoing",
    "undone",
    "observing",
    "observed",
]
# `withdrawn`: the first write was not sent, since the route was not at stable any more.
# `confirmed`: the object shows the split, and nothing more is awaited. `written`: it does, and the
# traffic has to follow; the names of the ends say that this is over.
Event = Action | End | Literal["confirmed", "withdrawn", "written"]

LOST = -1
"""Stands for a first write that the mesh shows and the journal lacks."""

APART = 1.0
"""Seconds between two clocks that show the same."""

NEVER = -1.0
"""Stands for the time of a leap of the wall clock where none was seen."""

TERMINAL: frozenset[Phase] = frozenset({"promoted", "rolled back", "undone", "observed"})

# Every legal phase change; any other pair keeps the phase. The docs draw this table.
MOVES: dict[tuple[Phase, Event], Phase] = {
    ("waiting", "advance"): "stepping",
    ("waiting", "hold back"): "holding back",
    ("waiting", "promote"): "promoting",
    ("waiting", "pause"): "paused",
    ("waiting", "roll back"): "reverting",
    ("stepping", "withdrawn"): "waiting",
    ("stepping", "advance"): "stepping",
    ("stepping", "reallocate"): "stepping",
    ("stepping", "hold back"): "holding back",
    ("stepping", "promote"): "promoting",
    ("stepping", "pause"): "paused",
    ("stepping", "roll back"): "reverting",
    ("stepping", "retreat"): "retreated",
    ("holding back", "retreat"): "retreated",
    ("paused", "retreat"): "paused",
    ("retreated", "resume"): "stepping",
    ("retreated", "advance"): "stepping",
    ("retreated", "promote"): "promoting",
    ("retreated", "pause"): "paused",
    ("retreated", "roll back"): "reverting",
    ("holding back", "withdrawn"): "waiting",
    ("holding back", "promote"): "promoting",
    ("holding back", "pause"): "paused",
    ("holding back", "roll back"): "reverting",
    ("paused", "resume"): "stepping",
    ("paused", "promote"): "promoting",
    ("paused", "roll back"): "reverting",
    ("promoting", "withdrawn"): "waiting",
    ("promoting", "pause"): "paused",
    ("promoting", "roll back"): "reverting",
    ("promoting", "confirmed"): "promoted",
    ("promoting", "written"): "following",
    ("reverting", "confirmed"): "rolled back",
    ("reverting", "written"): "following",
    ("following", "pause"): "paused",
    ("following", "roll back"): "reverting",
    ("following", "promoted"): "promoted",
    ("following", "rolled back"): "rolled back",
    ("following", "undone"): "undone",
    ("promoted", "undo"): "undoing",
    ("undoing", "promote"): "promoting",
    ("undoing", "confirmed"): "undone",
    ("undoing", "written"): "following",
    ("observing", "roll back"): "reverting",
    ("observing", "end"): "observed",
}


@dataclass(frozen=True)
class HookAttempt:
    """The state of a hook's calls: when the last one ended (`at`), when the next may begin.

    Attempts count on from one occasion to the next, so that no two calls have the same key.
    """

    attempt: int = 0
    calling: bool = False
    ok: bool = False
    problem: str = ""
    at: float = 0.0
    again_at: float = 0.0
    spent: int = 0  # attempts on earlier occasions: a hook may have several alarms to tell


@dataclass(frozen=True)
class RolloutState:
    """A rollout's state, derived from the journal alone.

    Times are unix seconds; None means that it has not happened. `delivery` says how far the last
    decision has come to the mesh.

    `clock` is the rollout's own: its start and the seconds that it has lived through since. All
    that lasts for a declared time is measured by it: `resumed_at`, `paused_at`, `steady_at`,
    `put_back_at`, `learned_at`, `moved_at`, `blind_since`. In journals without lived time it is the
    wall clock.
    """

    plan: Plan
    total: int
    phase: Phase
    started_at: float
    resumed_at: float
    delivery: Delivery
    guardrails: Mapping[str, GuardrailState]
    shares: tuple[float, ...]
    traffic_tally: TrafficTally = field(default_factory=TrafficTally)
    copy_tally: TrafficTally = field(default_factory=TrafficTally)  # of looks that held copies
    # What a segment of undeclared size got; `due` is what it would get if it were all requests.
    segment_tally: TrafficTally = field(default_factory=TrafficTally)
    untouched: TrafficTally = field(default_factory=TrafficTally)  # before our first write
    by_chance: TrafficTally = field(default_factory=TrafficTally)  # of any client, by weight
    following: Following | None = None  # the last write, once the object shows it
    retreat: Retreat | None = None  # the newest one
    is_spared: bool = False  # all traffic returns to stable, and the first write was only refused
    stepped: bool = False  # more was decided than to create the route
    looked_at: float | None = None
    steady_at: float | None = None  # first look whose traffic agrees with the confirmed split
    mirrored_until: float | None = None
    paused_at: float | None = None
    pause: Decided | None = None  # the decision that began the newest pause
    first_canary_at: float | None = None
    requests_per_look: float = 0.0
    asked: HumanSaid | None = None  # the command that no decision has answered yet
    is_unreached: bool = False  # it has ended where the mesh could not be reached
    abandoned: HumanSaid | None = None  # ends a rollback whose mesh cannot be reached
    drifted: bool = False
    route_read: RouteRead | None = None  # what the mesh showed; None in journals from before it
    led_before: tuple[str, ...] = ()  # by content: what is not ours, and routes we added it to
    first_write: int = 0  # the first decision that gave the canary weight; 0: none was written
    put_back_at: float | None = None  # when somebody restored what our last write had changed
    policy_drift: str = ""
    drift_writer: str = ""  # write id of another controller that moved the weights
    is_mark_gone: bool = False  # all went back to stable, and our mark with it
    reverts: int = 0  # edits that were written over since the newest move
    last: Decided | None = None
    move: Decided | None = None  # the newest decision about the mesh
    learned: Learned | None = None
    attempt: int = 1
    controller: str = ""  # the build that decided last
    calls: Mapping[str, HookAttempt] = field(default_factory=dict)  # by hook
    uncalibrated: bool = False
    reads_past: bool = False  # stable's past is read before the first step
    finds_pods: bool = False  # a label that tells pods apart is looked for
    suspects: bool = False  # limited evidence lowers the weight without a verdict
    suspicions: int = 0  # how often it did
    clock: float = 0.0
    is_lived: bool = False  # the journal has lived time, so nothing else moves the clock
    noted_at: float = 0.0  # wall time of the newest entry with lived time
    moved_at: float = 0.0  # of the newest decision about the mesh
    resumed_wall: float = 0.0  # wall time of `resumed_at`
    learned_at: float = 0.0
    heard_at: float = 0.0  # time of the newest sample
    heard_clock: float = 0.0  # when it was read
    skew: float = 0.0  # seconds by which the wall clock is ahead of Prometheus'
    leapt_clock: float = NEVER  # when the wall clock was last seen to have leapt ahead
    blind_since: Mapping[str, float] = field(default_factory=dict)  # first blind look, by guardrail
    authority: Authority = FULL
    trial: TrialProgress = field(default_factory=TrialProgress)
    segments: Mapping[str, GuardrailState] = field(default_factory=dict)  # guardrails of segments

    @property
    def measured(self) -> Mapping[str, GuardrailState]:
        """The guardrails, and those of single segments."""
        return {**self.guardrails, **self.segments} if self.segments else self.guardrails

    @property
    def segment_goals(self) -> Mapping[str, GoalTest]:
        """What is to get better in single segments, by the segment's guardrail."""
        return {name: own.goal for name, own in self.segments.items() if own.goal is not None}

    @property
    def goals(self) -> Mapping[str, GoalTest]:
        """What is to get better, and the evidence that it does, by guardrail."""
        return {name: own.goal for name, own in self.guardrails.items() if own.goal is not None}

    @property
    def first_goal(self) -> GoalTest | None:
        """The goal that is listed first: shares may follow its evidence."""
        goals = self.plan.spec.goals
        return self.goals.get(goals[0].guardrail) if goals else None

    @property
    def goal_looks(self) -> int:
        """The looks of the goal that was compared most often."""
        return max((goal.looks for goal in self.goals.values()), default=0)

    @property
    def goal_units(self) -> int:
        """The units of both versions of the goal that was compared most."""
        return max((goal.units for goal in self.goals.values()), default=0)

    @property
    def trial_looks(self) -> int:
        """The looks that count towards an experiment's end."""
        return self.goal_looks - self.trial.looks_before

    @property
    def trial_units(self) -> int:
        """The units of both versions that count towards an experiment's end."""
        return self.goal_units - self.trial.units_before

    @property
    def lived(self) -> float:
        """Seconds that the rollout has lived through since its start."""
        return self.clock - self.started_at

    @property
    def has_late_shares(self) -> bool:
        """Whether tests of shares start anew at every look, as those of newer journals do."""
        return len(self.shares) > sample_ratio.SHIFTS.size

    @property
    def longest_gap(self) -> float:
        """Seconds between two looks of which no more count as lived through."""
        return max(3 * self.plan.spec.interval, 60.0)

    def lived_by(self, now: float) -> float | None:
        """Return the lived time in milliseconds' steps if the wall clock went on as before.

        None in journals without lived time.
        """
        if not self.is_lived:
            return None
        return round(self.clock_at(now, None) - self.started_at, 3)

    def at_server(self, now: float) -> float:
        """Return a wall time by the clock of the server whose samples are compared with it."""
        return now - self.skew

    def clock_at(self, now: float, lived: float | None) -> float:
        """Return the rollout's clock at a lived time; without one, as the wall clock went on."""
        if not self.is_lived:
            return now
        if lived is None:
            return self.clock + max(now - self.noted_at, 0.0)
        return max(self.clock, self.started_at + lived)

    def has_leapt(self, now: float, clock: float) -> bool:
        """Return whether the wall clock has gone on for longer than the rollout's own.

        The machine slept, or somebody set it, since the newest entry with lived time.
        """
        ahead = (now - self.noted_at) - (clock - self.clock)
        return self.is_lived and ahead > APART

    def estimate_clock(self, now: float) -> float:
        """Return what the clock shows about now, for those who only look: entries come in looks."""
        gap = min(max(now - self.noted_at, 0.0), self.longest_gap)
        return self.clock + gap if self.is_lived else now

    @property
    def is_terminal(self) -> bool:
        """Whether the rollout has ended; a promotion with an open undo has not."""
        return self.phase in TERMINAL and self.asked is None

    @property
    def is_observer(self) -> bool:
        """Whether people or another controller move the weights, and we take them as they are."""
        return only_observes(self.authority)

    @property
    def split(self) -> Split:
        """The split that the mesh confirmed last."""
        return self.delivery.confirmed

    @property
    def wanted(self) -> Split:
        """The split that the mesh must show; another than `split` while it is delivered."""
        return self.delivery.wanted

    @property
    def live(self) -> Split:
        """The split that the mesh shows, as far as it was read: also before the first write."""
        read = self.route_read
        if self.first_write or read is None or read.split is None:
            return self.delivery.confirmed
        return read.split

    @property
    def is_first_write_unsent(self) -> bool:
        """Whether the first write is open, and no attempt at it can have reached the mesh."""
        delivery = self.delivery
        is_open = delivery.decision == self.first_write and delivery.wanted != delivery.confirmed
        return is_open and not delivery.is_unclear

    @property
    def before(self) -> tuple[str, ...] | None:
        """What led to the canary before our first write; None while none can have arrived.

        Only the route's own notes tell it where the journal does not (`knows_route`).
        """
        is_sent = self.first_write and not self.is_first_write_unsent
        return self.led_before if is_sent and self.knows_route else None

    @property
    def knows_route(self) -> bool:
        """Whether this journal holds what the route was before our first write.

        Journals without a `RouteRead` do not, nor do those that lost the first write.
        """
        return self.route_read is not None and self.first_write != LOST

    @property
    def is_untouched(self) -> bool:
        """Whether all traffic returns to stable by a decision that has nothing to take back."""
        return self.stepped and not self.first_write and not self.wanted.canary

    @property
    def is_put_back(self) -> bool:
        """Whether somebody restored what our last write had changed, and nobody resumed since."""
        return self.put_back_at is not None and self.put_back_at >= self.resumed_at

    @property
    def is_following(self) -> bool:
        """Whether the object shows the last write, and the traffic has yet to follow it."""
        return self.phase == "following" and self.following is not None

    @property
    def retreats(self) -> int:
        """How often the canary's weight was lowered without a verdict."""
        return self.retreat.count if self.retreat else 0

    @property
    def end(self) -> End | None:
        """The end that the last write leads to; None before it is written."""
        return self.following.end if self.following else None

    @property
    def written_as(self) -> str:
        """How far the last write has come: `written`, `taken`, or its outcome once it has one.

        Written: the object holds it. Taken: a proxy or gateway says that it has it.
        """
        if self.following is not None and self.following.outcome is not None:
            return self.following.outcome
        read = self.route_read
        is_taken = bool(read and read.taken) or self.plan.spec.route.envoy is not None
        return "taken" if is_taken else "written"

    @property
    def explanation(self) -> Decided | None:
        """The decision that explains where the rollout stands; None before the first one.

        A hold is news only while it holds: one for a mesh that did not answer is over once it has
        confirmed the last write (again), and each is over with the rollout.
        """
        last = self.last
        if last is None or last.action != "hold" or self.move is None:
            return last
        is_unconfirmed = first_reason(last.reasons) is Reason.AWAITING_MESH
        is_confirmed_again = self.is_following and is_unconfirmed and not self.delivery.is_open
        return self.move if self.is_terminal or is_confirmed_again else last

    @property
    def is_going_back(self) -> bool:
        """Whether all traffic returns to stable, and the rollout has not ended yet."""
        is_followed = self.is_following and self.end != "promoted"
        return is_followed or self.phase in {"reverting", "undoing"}

    @property
    def route_problem(self) -> str:
        """Why the mesh could not be brought to the wanted split; empty where it could."""
        return self.delivery.problem

    @property
    def is_making_route(self) -> bool:
        """Whether the open change only creates the route, with all traffic to stable."""
        return self.delivery.is_open and not self.stepped

    @property
    def stable_after(self) -> str | None:
        """The version that is stable after this rollout; None while that is open."""
        stable, canary = self.versions
        is_undo = self.phase == "undoing" or (self.is_following and self.end == "undone")
        if self.phase == "promoted" or is_undo:  # an undo counts once it has ended
            return canary
        return stable if self.phase in {"rolled back", "undone"} else None

    def stable_at(self, end: End) -> str:
        """Return the version that is stable after an end."""
        stable, canary = self.versions
        return canary if end == "promoted" else stable

    @property
    def due_at(self) -> float:
        """When the deadline passes, by the rollout's clock; a holdback's time is added to it."""
        spec = self.plan.spec
        held = spec.holdback.lasts if spec.holdback and self.phase == "holding back" else 0.0
        return self.resumed_at + spec.deadline + held

    @property
    def warm_at(self) -> float | None:
        """When the warm-up ends (unix seconds); None while the canary has had no request."""
        if self.first_canary_at is None:
            return None
        return self.first_canary_at + self.plan.spec.warmup

    @property
    def unknown(self) -> Mapping[str, str]:
        """Guardrails without a valid test, and why, from the pods' history."""
        return self.learned.unknown if self.learned else {}

    @property
    def versions(self) -> tuple[str, str]:
        """Stable's and the canary's version."""
        return self.plan.spec.stable.version, self.plan.spec.canary.version


def test_of(guardrail: Guardrail, *, watches_collapse: bool) -> SequentialTest:
    """Return the test of a guardrail's declared margin or tolerance, before any look."""
    source = guardrail.metric
    if guardrail.never is not None:
        return NeverTest(guardrail.never.count)
    if guardrail.bound is not None:
        return LimitTest(guardrail.bound)
    if not source.is_evidence:
        counts = {"exposure": ExposureCount(), "human": LabelCount()}
        return counts.get(source.kind) or SumRatioTest(guardrail.times)
    if source.pairs is not None and guardrail.margin is not None:
        return PairsTest(guardrail.margin.absolute)
    if (allowed := guardrail.bad_margin) is not None:
        margin = RateMargin(allowed.ratio, allowed.absolute, watches_collapse=watches_collapse)
        return RateTest(margin, has_crash_watch=guardrail.beyond is None)
    if guardrail.tolerance is None:
        raise ValueError(f"{guardrail.name} has neither margin nor tolerance")
    tolerance = HistogramTolerance(
        tolerance=guardrail.tolerance, relative=source.relative, worse=source.worse
    )
    return HistogramTest(tolerance)


def _begin_goal(plan: Plan, name: str) -> GoalTest | None:
    """Return the test of whether a guardrail's metric gets better, where the plan asks that."""
    goal = next((g for g in plan.spec.goals or () if g.guardrail == name), None)
    if goal is None:
        return None
    guardrail = next(g for g in plan.spec.guardrails if g.name == name)
    if guardrail.metric.pairs is not None:
        return PairsGoal()
    edge = None if goal.edge is None else find_edge_in(goal.edge, guardrail.metric.unit)
    return SuperiorityTest(edge, guardrail.metric.worse)


def begin_rollout(fact: Started) -> RolloutState:
    """Return the state right after a plan was accepted: no canary traffic and no evidence."""
    plan = Plan.model_validate(fact.plan, context=RECORDED).reading_at(fact.prometheus)
    nothing = Split(0, fact.total)
    has_holdback = bool(plan.spec.holdback)
    authority = find_narrowest(plan.spec.authority, fact.authority)
    share_start = sample_ratio.start(is_late=fact.late_shares)

    def begin(guardrail: Guardrail, of: str) -> GuardrailState:
        return GuardrailState(
            test_of(guardrail, watches_collapse=fact.watches_collapse),
            has_late_start=has_holdback and guardrail.has_past,
            share_start=share_start,
            goal=_begin_goal(plan, of),
        )

    return RolloutState(
        plan=plan,
        total=fact.total,
        phase="observing" if only_observes(authority) else "waiting",
        started_at=fact.at,
        resumed_at=fact.at,
        clock=fact.at,
        is_lived=fact.lived is not None,
        noted_at=fact.at,
        resumed_wall=fact.at,
        delivery=Delivery(wanted=nothing, confirmed=nothing),
        guardrails={g.name: begin(g, g.name) for g in plan.spec.guardrails},
        segments={s.name: begin(s.guardrail, s.of) for s in plan.spec.segment_guardrails},
        shares=share_start,
        attempt=fact.attempt,
        controller=fact.controller,
        uncalibrated=fact.uncalibrated,
        reads_past=fact.reads_past or plan.spec.declared_pods is not None,
        finds_pods=fact.finds_pods,
        suspects=fact.suspects,
        authority=authority,
    )
