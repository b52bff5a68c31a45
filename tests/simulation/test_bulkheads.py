"""One rollout's, plan's or server's fault stops no other rollout and no command."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest

from analysis.counting.cursor import Series
from rollout.decide.record.facts import HumanSaid
from rollout.decide.record.split import Split
from rollout.errors import RouteError, StaleError
from rollout.journal.memory import MemoryJournal
from rollout.ports import Answer, NoHooks, Ports
from rollout.simulate import Behaviour, MemoryRouter, SimulatedService, VirtualClock
from rollout.tick.bulkheads import MOST, SLOW
from rollout.tick.controller import Controller
from rollout.tick.turns import EVERY, HangingTurns
from tests.support.worlds import GOOD, plan

SICK = plan("sick", service="sick")
WELL = plan("well", service="well")
FAULTS = [
    AttributeError("'list' object has no attribute 'get'"),
    RecursionError("too deep"),
    MemoryError(),
]


@dataclass
class SickRouter(MemoryRouter):
    """A mesh whose methods raise for one plan, or take long."""

    error: Exception | None = None
    seconds: float = 0.0
    clock: VirtualClock | None = None
    methods: tuple[str, ...] = ("read", "write", "cached", "endpoints", "diagnose")

    def _fail(self, plan, method):
        if plan.name == "sick" and method in self.methods:
            if self.clock is not None:
                self.clock.sleep(self.seconds)
            if self.error is not None:
                raise self.error

    def read(self, plan, total, before=None):
        self._fail(plan, "read")
        return super().read(plan, total, before)

    def write(self, plan, split, write_id, before=None, *, is_last=False):
        self._fail(plan, "write")
        super().write(plan, split, write_id, before, is_last=is_last)

    def cached(self, plan, total, before=None):
        self._fail(plan, "cached")
        return super().cached(plan, total, before)

    def endpoints(self, plan, arm):
        self._fail(plan, "endpoints")
        return super().endpoints(plan, arm)


class TwoWorlds:
    """Two services, each with its own traffic; `mangle` changes the sick one's answers."""

    def __init__(self, router, mangle=lambda answer: answer, error=None):
        self.mangle, self.error = mangle, error
        self.services = {
            "sick": SimulatedService(router, {"v1": GOOD, "v2": GOOD}, seed=1),
            "well": SimulatedService(router, {"v1": GOOD, "v2": Behaviour(errors=0.5)}, seed=2),
        }

    def observe(self, asks, now):
        if self.error is not None:
            raise self.error
        answers: dict[str, Answer] = {}
        for ask in asks:
            answers |= self.services[ask.plan.name].observe([ask], now)
            if ask.plan.name == "sick":
                answers[ask.rollout] = self.mangle(answers[ask.rollout])
        return answers


class SickHooks(NoHooks):
    def call(self, call):
        raise ZeroDivisionError("a hook's fault")


def run(router, world, seconds=120.0, hooks=None):
    clock = getattr(router, "clock", None) or VirtualClock()
    ports = Ports(world, router, MemoryJournal(), clock, hooks or NoHooks())
    problems: list[str] = []
    controller = Controller(ports, "test", on_problem=problems.append)
    controller.start([SICK, WELL])
    end = clock.now() + seconds
    while clock.now() < end and not controller.states[WELL.id].is_terminal:
        controller.tick()
        clock.sleep(0.5)
    return controller, problems


@pytest.mark.parametrize("error", FAULTS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("methods", [("read",), ("write",), ("cached",), ("endpoints",)])
def test_whatever_a_mesh_s_door_raises_the_other_rollout_is_rolled_back(error, methods):
    router = SickRouter(error=error, methods=methods)
    controller, _ = run(router, TwoWorlds(router))
    assert controller.states[WELL.id].phase == "rolled back"
    assert not controller.states[SICK.id].is_terminal


def test_a_lost_lock_ends_the_tick_all_the_same():
    router = SickRouter(error=StaleError("another controller decides"), methods=("write",))
    with pytest.raises(StaleError):
        run(router, TwoWorlds(router))


def broken(_answer):
    raise ZeroDivisionError("an observer's fault")


def half_a_character(answer):
    series = {
        name: tuple(replace(one_series, key="\ud800" + one_series.key) for one_series in group)
        for name, group in answer.series.items()
    }
    return replace(answer, series=series)


def nothing_at_all(answer):
    return replace(answer, series={"errors": (Series("k", "stable", ()),)})


def of_nobody(answer):
    return replace(answer, series={**answer.series, "nobody": ()}, problems={"nobody": "x"})


@pytest.mark.parametrize("mangle", [half_a_character, nothing_at_all, of_nobody])
def test_whatever_one_answer_holds_the_other_rollout_is_rolled_back(mangle):
    router = MemoryRouter()
    controller, _ = run(router, TwoWorlds(router, mangle))
    assert controller.states[WELL.id].phase == "rolled back"


def test_an_answer_that_no_journal_can_hold_is_blind_in_words():
    router = MemoryRouter()
    controller, problems = run(router, TwoWorlds(router, half_a_character))
    state = controller.states[SICK.id]
    assert {guardrail.problem for guardrail in state.guardrails.values()} != {""}
    assert "cannot be recorded" in state.guardrails["errors"].problem
    assert len(problems) == 1
    assert problems[0].startswith(SICK.id)


def test_an_observer_that_raises_makes_all_blind_and_a_command_is_carried_out():
    router = MemoryRouter()
    controller, _ = run(router, TwoWorlds(router, error=ZeroDivisionError("a fault of ours")), 10.0)
    state = controller.states[WELL.id]
    assert "ZeroDivisionError" in state.guardrails["errors"].problem
    controller.note(HumanSaid(rollout=WELL.id, at=0.0, command="abort", actor="me"))
    controller.tick()
    assert controller.states[WELL.id].phase == "rolled back"


def test_a_hook_s_fault_is_its_rollout_s():
    router = MemoryRouter()
    controller, problems = run(router, TwoWorlds(router), hooks=SickHooks())
    assert controller.states[WELL.id].phase == "rolled back"
    assert problems == []


def test_a_mesh_that_is_slow_is_asked_once_in_a_tick():
    """Both plans are on one Envoy, and what is not urgent waits for the next tick."""
    clock = VirtualClock()
    router = SickRouter(seconds=SLOW, clock=clock)
    world = TwoWorlds(router)
    controller, _ = run(router, world, 400.0)
    begun = clock.monotonic()
    controller.tick()
    assert clock.monotonic() - begun < 2 * SLOW + 2


def test_a_rollback_is_written_although_its_mesh_is_slow():
    clock = VirtualClock()
    router = SickRouter(seconds=1.5 * SLOW, clock=clock, methods=("read",))
    controller, _ = run(router, TwoWorlds(router), 60.0)
    controller.note(HumanSaid(rollout=SICK.id, at=clock.now(), command="abort", actor="me"))
    for _ in range(5):
        controller.tick()
        clock.sleep(5)
    assert controller.states[SICK.id].phase == "rolled back"
    assert router.read(SICK, 100).split == Split(0)


@dataclass
class HungRouter(MemoryRouter):
    """One mesh that takes 5 s of each write and says nothing; `tried` are its plans, in order."""

    clock: VirtualClock = field(default_factory=VirtualClock)
    hangs: bool = False
    tried: list[str] = field(default_factory=list)

    def write(self, plan, split, write_id, before=None, *, is_last=False):
        if self.hangs and plan.name != "well":
            self.tried.append(plan.name)
            self.clock.sleep(5.0)
            raise RouteError("nothing within 5 s")
        super().write(plan, split, write_id, before, is_last=is_last)


def test_a_mesh_that_hangs_at_every_write_holds_up_no_other_one_and_all_get_their_turn():
    router = HungRouter()
    hung = {"envoy": {"file": "rds.json", "admin": "http://127.0.0.1:2"}}
    sick = [plan(f"sick-{n}", service=f"sick-{n}", route=hung) for n in range(12)]
    services = {
        p.name: SimulatedService(router, {"v1": GOOD, "v2": GOOD}, seed=1) for p in [*sick, WELL]
    }

    class ManyServices:
        def observe(self, asks, now):
            return {a.rollout: services[a.plan.name].observe([a], now)[a.rollout] for a in asks}

    controller = Controller(Ports(ManyServices(), router, MemoryJournal(), router.clock), "test")
    controller.start([*sick, WELL])
    while not all(controller.states[p.id].first_write for p in [*sick, WELL]):
        controller.tick()
        router.clock.sleep(0.5)
    router.hangs = True
    for p in sick:
        controller.note(HumanSaid(rollout=p.id, at=router.clock.now(), command="abort", actor="me"))
    services["well"].behaviours = {"v1": GOOD, "v2": Behaviour(errors=0.9)}
    longest, since = 0.0, router.clock.monotonic()
    while controller.states[WELL.id].phase != "rolled back":
        begun = router.clock.monotonic()
        controller.tick()
        longest = max(longest, router.clock.monotonic() - begun)
        router.clock.sleep(0.5)
    assert longest <= MOST + 5.0 + 2.0
    assert router.clock.monotonic() - since <= 45.0
    while len({*router.tried}) < len(sick):
        controller.tick()
        router.clock.sleep(0.5)
    assert router.clock.monotonic() - since <= 120.0
    first = router.tried[: len(sick)]
    assert len({*first}) == len(sick), "nobody is tried twice before all others"


@dataclass
class HungServers:
    """Services whose Prometheus servers take 5 s to say nothing, while `hangs`; but the well one.

    As the production observer, it waits for all that it asks at once, and knows who hung.
    """

    services: dict[str, SimulatedService]
    clock: VirtualClock
    hangs: bool = False
    hung: set[str] = field(default_factory=set)
    asked: list[tuple[float, str]] = field(default_factory=list)

    def observe(self, asks, now):
        silent = {ask.plan.name for ask in asks if self.hangs and ask.plan.name != "well"}
        self.asked += [(self.clock.monotonic(), name) for name in sorted(silent)]
        if silent:
            self.clock.sleep(5.0)
        self.hung = (self.hung - {ask.plan.name for ask in asks}) | silent
        return {
            ask.rollout: Answer(
                problems=dict.fromkeys(["errors", "latency", "accuracy"], "silence")
            )
            if ask.plan.name in silent
            else self.services[ask.plan.name].observe([ask], now)[ask.rollout]
            for ask in asks
        }

    def find_hung(self, plan):
        return plan.name if plan.name in self.hung else ""


@dataclass
class HungMeshes(MemoryRouter):
    """Meshes, one for each plan, that take 5 s of each request while `hangs`; but the well one."""

    clock: VirtualClock = field(default_factory=VirtualClock)
    hangs: bool = False
    seconds: float = 5.0

    def _wait(self, plan):
        if self.hangs and plan.name != "well":
            self.clock.sleep(self.seconds)
            raise RouteError(f"nothing within {self.seconds:g} s", unread=True)

    def read(self, plan, total, before=None):
        self._wait(plan)
        return super().read(plan, total, before)

    def write(self, plan, split, write_id, before=None, *, is_last=False):
        self._wait(plan)
        super().write(plan, split, write_id, before, is_last=is_last)


def begin_beside(count, router, clock):
    """Rollouts on servers and meshes of their own, all at their first step, and the well one."""
    envoys = [{"file": "rds.json", "admin": f"http://127.0.0.1:{n + 2}"} for n in range(count)]
    blind = {"hold": "1h", "then": "rollback"}
    sick = [
        plan(
            f"sick-{n}", service=f"sick-{n}", route={"envoy": envoy}, whenBlind=blind, deadline="2h"
        )
        for n, envoy in enumerate(envoys)
    ]
    services = {
        p.name: SimulatedService(router, {"v1": GOOD, "v2": GOOD}, seed=1) for p in [*sick, WELL]
    }
    servers = HungServers(services, clock)
    controller = Controller(Ports(servers, router, MemoryJournal(), clock), "test")
    controller.start([*sick, WELL])
    while not all(controller.states[p.id].first_write for p in [*sick, WELL]):
        controller.tick()
        clock.sleep(0.5)
    return controller, servers, sick


def measure_rollback(controller, servers, clock):
    """Seconds from the first bad answers of the well one's canary to its rollback."""
    servers.services["well"].behaviours = {"v1": GOOD, "v2": Behaviour(errors=0.9)}
    since = clock.monotonic()
    while controller.states[WELL.id].phase != "rolled back":
        controller.tick()
        clock.sleep(0.5)
    return clock.monotonic() - since


@pytest.mark.parametrize(
    ("what", "seconds"),
    [("servers", 5.0), ("meshes", 5.0), ("meshes", 2.0)],
    ids=["servers", "meshes", "meshes that are given up soon"],
)
def test_however_many_hang_another_one_s_rollback_waits_for_one_of_them_at_most(what, seconds):
    waited = []
    for count in (0, 8):
        clock = VirtualClock()
        router = HungMeshes(clock=clock, seconds=seconds)
        controller, servers, sick = begin_beside(count, router, clock)
        servers.hangs, router.hangs = what == "servers", what == "meshes"
        is_known = servers.find_hung if servers.hangs else controller._router.is_hung
        while not all(is_known(p) for p in sick):
            begun = clock.monotonic()
            controller.tick()
            assert clock.monotonic() - begun <= MOST + 5.0 + 2.0
            clock.sleep(0.5)
        waited.append(measure_rollback(controller, servers, clock))
    unharmed, beside = waited
    assert beside - unharmed <= SLOW + 5.0 + 2.0


def test_each_server_that_hangs_gets_its_turn_and_is_looked_at_again_once_it_answers():
    clock, router = VirtualClock(), MemoryRouter()
    controller, servers, sick = begin_beside(4, router, clock)
    servers.hangs = True
    servers.services["well"].behaviours = {"v1": GOOD, "v2": GOOD}
    end = clock.monotonic() + 150.0
    while clock.monotonic() < end and WELL.id in controller.active:
        controller.tick()
        clock.sleep(0.5)
    turns = [name for _, name in servers.asked[-len(sick) :]]
    assert {*turns} == {p.name for p in sick}
    servers.hangs = False
    end = clock.monotonic() + 90.0
    while clock.monotonic() < end:
        controller.tick()
        clock.sleep(0.5)
    assert not servers.hung
    for p in sick:
        assert controller.states[p.id].guardrails["errors"].problem == ""


def test_a_mesh_that_alone_takes_less_than_others_may_wait_is_asked_at_each_look():
    clock = VirtualClock()
    router = HungMeshes(clock=clock, seconds=2.0)
    controller, _, (sick,) = begin_beside(1, router, clock)
    router.hangs = True
    for _ in range(30):
        controller.tick()
        clock.sleep(0.5)
    assert not controller._router.is_hung(sick)


def test_between_two_turns_of_those_that_hang_others_have_their_time():
    """However long a turn takes: the next one is that much later."""
    clock = VirtualClock()
    turns = HangingTurns(clock.monotonic)
    given: list[float] = []
    while clock.monotonic() < 200.0:
        if turns.choose({"a", "b"}):
            clock.sleep(14.0)
            given.append(clock.monotonic())
        clock.sleep(1.0)
    gaps = [later - 14.0 - earlier for earlier, later in pairwise(given)]
    assert min(gaps) >= EVERY


def test_who_hangs_alone_is_asked_at_each_look():
    """Nobody is there who would wait for it."""
    clock, router = VirtualClock(), MemoryRouter()
    services = {"sick": SimulatedService(router, {"v1": GOOD, "v2": GOOD}, seed=1)}
    servers = HungServers(services, clock, hangs=True)
    controller = Controller(Ports(servers, router, MemoryJournal(), clock), "test")
    blind = {"hold": "1h", "then": "rollback"}
    controller.start([plan("sick", service="sick", whenBlind=blind, deadline="2h")])
    for _ in range(30):
        controller.tick()
        clock.sleep(0.5)
    assert len(servers.asked) > 10


def test_an_unexpected_error_of_a_mesh_is_recorded_in_words():
    router = SickRouter(error=AttributeError("odd"), methods=("read",))
    controller, _ = run(router, TwoWorlds(router), 20.0)
    read = controller.states[SICK.id].route_read
    assert read is not None
    assert "AttributeError: odd" in read.problem
    with pytest.raises(RouteError):
        controller._router.read(SICK, 100)
