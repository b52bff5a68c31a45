"""Keeps what goes wrong in one rollout, plan or server away from all others.

How it works: whatever the mesh's or Prometheus' door raises becomes what the port allows: a
RouteError, or a problem of the guardrails. A mesh that was slow in a tick is not asked again in it,
so that its rollouts do not use up the time of the others; they take turns at it. What either says
in words is cleaned here, before it is recorded. `Bulkheads.run` is for the rest of a
rollout's turn: its error is told, and the tick goes on with the next rollout. What concerns the
whole process goes through: the journal's errors, a lost lock, an interrupt.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from analysis.counting.cursor import Arm
from rollout.decide.record.split import Split
from rollout.decide.record.write_id import add_chain, drop_chain
from rollout.errors import FactError, JournalError, ReplayError, RouteError
from rollout.plan.model.plan import Plan
from rollout.plan.model.terms import FULL, Authority, may_write
from rollout.ports import Answer, Ask, NoticesHangs, Observer, Router, RouteStatus
from rollout.redact import redact, redact_values
from rollout.tick.turns import HangingTurns

_Result = TypeVar("_Result")

SLOW = 5.0
"""Seconds of one mesh in a tick; whom it was not asked for by then waits for the next one."""

UNEXPECTED = "an unexpected fault"
"""How the words for an error begin that nobody expected."""

UNANSWERED = 1.0
"""Seconds of one request, from which on its mesh is one that may hang."""

MOST = 15.0
"""Seconds of one mesh in a tick, after which it is asked for nobody, rollbacks included."""


@dataclass
class Bulkheads:
    """Runs each rollout's turn by itself, and tells what went wrong in it, once per message."""

    on_problem: Callable[[str], None]
    _told: dict[str, str] = field(default_factory=dict)

    def run(self, rollout: str, turn: Callable[[], _Result]) -> _Result | None:
        """Return what a rollout's turn returns; None where it failed. Raises JournalError."""
        try:
            result = turn()
        except (FactError, ReplayError) as error:
            self.tell(rollout, error)
            return None
        except JournalError:
            raise
        except Exception as error:  # noqa: BLE001 - one rollout's fault, whatever it is
            self.tell(rollout, error)
            return None
        return result

    def tell(self, rollout: str, error: Exception) -> None:
        """Tell of a rollout's fault, unless the same was told last."""
        problem = f"{rollout}: {describe(error)}; all other rollouts go on"
        if self._told.get(rollout) != problem:
            self._told[rollout] = problem
            self.on_problem(problem)


def describe(error: Exception) -> str:
    """Describe an error; one that nobody expected with its type."""
    is_expected = isinstance(error, RouteError | JournalError)
    return str(error) if is_expected else f"{UNEXPECTED}, {type(error).__name__}: {error}"


def observe(observer: Observer, asks: Sequence[Ask], now: float) -> Mapping[str, Answer]:
    """Return every ask's answer; where the observer fails, its problem."""
    try:
        answers = observer.observe(asks, now)
    except Exception as error:  # noqa: BLE001 - blind in words
        answers = {}
        problem = describe(error)
    else:
        problem = "no answer"
    answers = {ask.rollout: answers.get(ask.rollout) or blind(ask.plan, problem) for ask in asks}
    return {rollout: _clean_answer(answer) for rollout, answer in answers.items()}


def _clean_answer(answer: Answer) -> Answer:
    if not answer.problems:
        return answer
    return replace(answer, problems=redact_values(dict(answer.problems)))


def _clean_status(status: RouteStatus) -> RouteStatus:
    """Return a status whose words steer nothing; the mark and what is compared stay as they are."""
    names = ("policy", "conditions", "owner", "pinned", "strays")
    words = {name: words for name in names if (words := getattr(status, name))}
    return replace(status, **redact_values(words)) if words else status


def blind(plan: Plan, problem: str) -> Answer:
    """Return the answer that every guardrail of a plan has the same problem."""
    return Answer(problems={guardrail.name: problem for guardrail in plan.spec.guardrails})


@dataclass
class GuardedObserver:
    """An Observer whose servers that hang are asked in turns, while there are others to look at."""

    inner: Observer
    turns: HangingTurns
    _problems: dict[str, str] = field(default_factory=dict)  # by rollout, at its server's last turn

    def find_waiting(self, asks: Sequence[Ask], plans: Iterable[Plan]) -> dict[str, str]:
        """Return the rollouts that wait for a server's turn, each with the server.

        None do where all of the `plans` that go on have servers that hang.
        """
        if not isinstance(self.inner, NoticesHangs):
            return {}
        find = self.inner.find_hung
        waiting = {ask.rollout: server for ask in asks if (server := find(ask.plan))}
        return waiting if waiting and not all(map(find, plans)) else {}

    def observe(self, asks: Sequence[Ask], now: float) -> dict[str, Answer]:
        """Ask for all of them; see `observe`."""
        return {**observe(self.inner, asks, now)} if asks else {}

    def observe_in_turn(
        self, asks: Sequence[Ask], waiting: Mapping[str, str], now: float
    ) -> dict[str, Answer]:
        """Ask the server whose turn it is; of the others, say what they said at their last one."""
        server = self.turns.choose({*waiting.values()})
        answers = self.observe([ask for ask in asks if waiting[ask.rollout] == server], now)
        for rollout, answer in answers.items():
            self._problems[rollout] = next(iter(answer.problems.values()), "")
        for ask in asks:
            silence = f"Prometheus at {waiting[ask.rollout]} takes too long: it has turns"
            problem = self._problems.get(ask.rollout) or silence
            answers.setdefault(ask.rollout, blind(ask.plan, problem))
        return answers


@dataclass
class GuardedRouter:
    """A Router that raises RouteError or JournalError only, and asks no slow mesh twice a tick.

    It writes nothing that the installation's `authority` does not allow, whatever was decided: a
    rollout may have begun under a wider one. What it writes bears the journal's name, by which
    another journal's marks are told from ours; see `write_id`.
    """

    inner: Router
    timer: Callable[[], float]
    authority: Authority = FULL
    find_chain: Callable[[], str] = lambda: ""
    _turns: HangingTurns = field(init=False)
    _hung: set[str] = field(
        default_factory=set
    )  # meshes that held others up when they were asked last
    _waiting: set[str] = field(default_factory=set)  # of these, whose turn it is not
    _has_others: bool = False  # that go on, on meshes that do not hang
    _spent: dict[str, float] = field(default_factory=dict)  # seconds, by mesh
    _slow: set[str] = field(default_factory=set)  # meshes with a slow request in this tick
    _begun: set[str] = field(default_factory=set)  # plans that were asked before it was slow
    _written: dict[str, float] = field(default_factory=dict)  # when each plan was tried last

    def __post_init__(self) -> None:
        self._turns = HangingTurns(self.timer)

    def begin_tick(self, plans: Iterable[Plan] = ()) -> None:
        """Give every mesh its time again; of those that hang one, while `plans` are on others."""
        self._hung -= {*self._spent} - self._slow
        # Those that take less than others may wait for in all are asked in each tick.
        if self._count_lost(self._slow) >= SLOW:
            self._hung |= self._slow
        self._spent.clear()
        self._slow.clear()
        self._begun.clear()
        is_other = (_name_mesh(plan) not in self._hung for plan in plans)
        self._has_others = bool(self._hung) and any(is_other)
        self._waiting = self._hung - {self._turns.choose(self._hung)} if self._has_others else set()

    def is_hung(self, plan: Plan) -> bool:
        """Return whether a plan's mesh held others up when it was asked last."""
        return _name_mesh(plan) in self._hung

    def find_last_try(self, plan: Plan) -> float:
        """Return when a write of a plan was tried last, by `timer`; the least without one."""
        return self._written.get(plan.id, -math.inf)

    def write(
        self,
        plan: Plan,
        split: Split,
        write_id: str,
        before: tuple[str, ...] | None = None,
        *,
        is_last: bool = False,
    ) -> None:
        """See rollout.ports.Router. A way back to stable waits for no other rollout's turn."""
        if not may_write(self.authority, is_back=not split.canary):
            raise RouteError(f"--authority {self.authority} allows no such write", refused=True)

        def ask() -> None:
            self._written[plan.id] = self.timer()
            mark = add_chain(write_id, self.find_chain())
            self.inner.write(plan, split, mark, before, is_last=is_last)

        self._ask(plan, ask, is_urgent=not split.canary)

    def read(self, plan: Plan, total: int, before: tuple[str, ...] | None = None) -> RouteStatus:
        """See rollout.ports.Router."""
        return self._take_in(self._ask(plan, lambda: self.inner.read(plan, total, before)))

    def cached(
        self, plan: Plan, total: int, before: tuple[str, ...] | None = None
    ) -> RouteStatus | None:
        """See rollout.ports.Router."""
        status = self._ask(plan, lambda: self.inner.cached(plan, total, before))
        return None if status is None else self._take_in(status)

    def _take_in(self, status: RouteStatus) -> RouteStatus:
        """Return a status whose words are clean, and whose mark is as our journal knows it."""
        own = drop_chain(status.write_id, self.find_chain())
        if own != status.write_id:
            status = replace(status, write_id=own)
        return _clean_status(status)

    def endpoints(self, plan: Plan, arm: Arm) -> bool | None:
        """See rollout.ports.Router."""
        try:
            return self._ask(plan, lambda: self.inner.endpoints(plan, arm))
        except RouteError:
            return None

    def diagnose(self, plan: Plan) -> str:
        """See rollout.ports.Router."""
        try:
            return redact(self._ask(plan, lambda: self.inner.diagnose(plan)))
        except RouteError as error:
            return str(error)

    def _ask(self, plan: Plan, ask: Callable[[], _Result], *, is_urgent: bool = False) -> _Result:
        mesh, rollout = _name_mesh(plan), plan.name
        spent = self._spent.get(mesh, 0.0)
        if self._must_wait(mesh, is_urgent=is_urgent):
            raise RouteError(f"{mesh} is too slow for all its rollouts", unread=True)
        if spent < SLOW:
            self._begun.add(rollout)
        # Who was asked before it showed how slow it is goes on: else nobody would ever get through.
        if spent >= (MOST if is_urgent or rollout in self._begun else SLOW):
            raise RouteError(f"{mesh} is too slow for all its rollouts", unread=True)
        begun = self.timer()
        try:
            return ask()
        except (RouteError, JournalError):
            raise
        except Exception as error:
            raise RouteError(describe(error), unread=True) from error
        finally:
            took = max(0.0, self.timer() - begun)
            self._spent[mesh] = self._spent.get(mesh, 0.0) + took
            if took >= UNANSWERED or self._spent[mesh] >= SLOW:
                self._slow.add(mesh)

    def _count_lost(self, meshes: Iterable[str]) -> float:
        """Return the seconds that some meshes took of this tick."""
        return sum(self._spent.get(mesh, 0.0) for mesh in meshes)

    def _must_wait(self, mesh: str, *, is_urgent: bool) -> bool:
        """Return whether others waited enough in this tick for meshes that hang.

        A way back waits for no turn, as long as all of them together took no longer than one may.
        """
        spent = self._spent.get(mesh, 0.0)
        if self._has_others and mesh in self._hung:
            return self._count_lost(self._hung) >= SLOW or (mesh in self._waiting and not is_urgent)
        if self._count_lost(self._slow) < MOST:
            return False
        return spent >= SLOW or not (spent or is_urgent)


def _name_mesh(plan: Plan) -> str:
    """Name what answers for a plan's route: what checks Istio's objects may hang by itself."""
    route = plan.spec.route
    if route.envoy is not None:
        return f"Envoy at {route.envoy.admin}"
    return f"the API server ({'Istio' if route.istio is not None else 'Gateway API'})"
