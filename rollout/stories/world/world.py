"""The world of one story: what passes in it, at its own true time."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from rollout.ports import HookCall
from rollout.stories.setting import (
    NEIGHBOURS,
    SCRAPE,
    SERVICE,
    SITE,
    SITES,
    Setting,
    build_plan,
)
from rollout.stories.world.apiserver import Key, SimulatedApi
from rollout.stories.world.exporters import PRIVATE, SimulatedExporter
from rollout.stories.world.hanging import HangingServers
from rollout.stories.world.process import SimulatedProcess
from rollout.stories.world.prometheus import SimulatedPrometheus
from rollout.stories.world.routes import PLURALS, build_objects, list_routes, read_shares
from rollout.stories.world.store import SimulatedDisk
from rollout.stories.world.traffic import ClientProxy, ServiceTraffic
from rollout.tick.controller import Controller

BEGIN = 1_800_000_000.0
PERIOD = 1.0  # seconds between two ticks
LONGEST_GAP = 60.0  # seconds, as `RolloutState.longest_gap` of these plans
_PAST = 20.0  # seconds of traffic before the first tick
_UPGRADE = 20.0  # seconds after which an older version's controllers are replaced
_APART = 1e-3  # seconds between the clocks of two journals' machines: none agree to the microsecond
SECOND = "other"  # the second service, which nothing happens to


@dataclass
class StoryWorld:
    """Everything outside the processes, and the processes themselves.

    `now` is the true time in seconds. `wall_offset` is what all wall clocks are wrong by, but for
    Prometheus'. `push_delay` is how long an object takes to reach a proxy; while `rejects_until`
    lasts, proxies reject what they are sent. `touched` names what people did to the routes.
    """

    setting: Setting
    seed: int
    now: float = BEGIN - _PAST
    wall_offset: float = 0.0
    push_delay: float = 0.2
    rejects_until: float = 0.0
    hooks_fail_until: float = 0.0
    hooks_hang_until: float = 0.0
    hook_calls: list[tuple[float, HookCall]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)
    raised: list[Exception] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)
    touched_at: float = 0.0
    edited: set[str] = field(default_factory=set)
    was_restored: bool = False
    settled_at: float = float("inf")
    lived: float = 0.0  # seconds in which a controller ran, and of each gap what counts as such
    tracebacks_told: int = 0  # tracebacks that were told
    traffics: dict[str, ServiceTraffic] = field(default_factory=dict)
    processes: list[SimulatedProcess] = field(default_factory=list)
    disks: list[SimulatedDisk] = field(default_factory=list)
    proxies: list[ClientProxy] = field(default_factory=list)
    _pushes: list[tuple[float, int, ClientProxy]] = field(default_factory=list)
    _noted_at: float = BEGIN - _PAST
    _pods: int = 0
    _later: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _order: int = 0

    def __post_init__(self) -> None:
        dice = partial(np.random.default_rng, [self.seed, 7])
        self.dice = dice()
        self.api = SimulatedApi(lambda: self.now, on_change=self._on_change)
        self.prometheus = SimulatedPrometheus(lambda: self.now, self.dice, SCRAPE)
        self.hanging = HangingServers(lambda: self.now)
        services = [SERVICE, SECOND][: int(self.setting.services)]
        services += NEIGHBOURS[: int(self.setting.neighbours)]
        for service in services:
            setting = self._find_setting(service)
            kind = self.setting.canary if service == SERVICE else "perfect"
            rate = float(self.setting.rate) if service == SERVICE else 200.0
            self.traffics[service] = ServiceTraffic(
                service, setting, self.dice, self.now, rate, kind
            )
            for plural, body in build_objects(setting, service):
                self.api.give((plural, service), body)
        clients = 1 if self.setting.mesh == "envoy" else int(self.setting.clients)
        for _ in range(clients):
            self.add_proxy(1 / clients)
        if self.setting.guardrails == "verdict" or self.setting.judges != "no":
            self.main.judge = self.add_target("judge")
        self.plans = [build_plan(self._find_setting(name), name) for name in services]
        self.rollout = self.plans[0].id
        self._start_processes()
        self.advance(BEGIN)
        if self.setting.version == "old":
            self.later(_UPGRADE, self._upgrade)

    @property
    def main(self) -> ServiceTraffic:
        """The traffic of the service to which things happen."""
        return self.traffics[SERVICE]

    @property
    def key(self) -> Key:
        """The routing object of that service."""
        return self.find_key(SERVICE)

    def find_key(self, service: str) -> Key:
        """Return the routing object of a service."""
        return PLURALS["envoy" if service in NEIGHBOURS else self.setting.mesh], service

    def _find_setting(self, service: str) -> Setting:
        """Return the setting of a service: only the main one's is the story's."""
        if service == SERVICE:
            return self.setting
        return Setting(mesh="envoy" if service in NEIGHBOURS else self.setting.mesh)

    @property
    def elapsed(self) -> float:
        """Seconds since the story began."""
        return self.now - BEGIN

    def _start_processes(self) -> None:
        for number in range(int(self.setting.journals)):
            disk = SimulatedDisk(lambda: self.now, is_old=self.setting.version == "old")
            self.disks.append(disk)
            for replica in range(int(self.setting.replicas)):
                name = f"controller-{number}{'ab'[replica]}"
                is_elected = self.setting.replicas == "2"
                plans = self.plans if not number else self.plans[:1]
                process = SimulatedProcess(self, name, disk, plans, is_elected)
                process.clock.skew = number * _APART
                self.processes.append(process)

    def _upgrade(self) -> None:
        """Replace every controller of an older version; their rollouts go on."""
        for disk in self.disks:
            disk.is_old = False
        for process in self.processes:
            process.doomed = 1

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Let something happen so many seconds from now."""
        self._order += 1
        heapq.heappush(self._later, (self.now + seconds, self._order, act))

    def touch(self, *what: str) -> None:
        """Note what people do to the route: `weights`, `notes`, `routes`, `names` or `owner`."""
        self.touched |= {*what}
        self.touched_at = self.now

    def add_target(self, job: str) -> SimulatedExporter:
        """Begin to scrape a new process."""
        self._pods += 1
        tells_start = self.setting.starts == "known"
        pod, instance = f"{job}-{self._pods}", f"10.0.0.{self._pods}:15020"
        phase = float(self.dice.uniform(0, SCRAPE)) if job == "judge" else 0.37 * self._pods
        exporter = SimulatedExporter(job, instance, self.now, phase, pod, tells_start=tells_start)
        exporter.extra = (("end_user", PRIVATE),)
        if self.setting.segments != "no":
            exporter.extra += ((SITE, SITES[self._pods % len(SITES)]),)
        self.prometheus.targets.append(exporter)
        return exporter

    def add_proxy(self, weight: float) -> ClientProxy:
        """Begin a new client, which knows the routes as they are."""
        proxy = ClientProxy(self.add_target("proxies"), weight, {}, {})
        self._take_routes(proxy)
        self.proxies.append(proxy)
        for traffic in self.traffics.values():
            traffic.proxies.append(proxy)
        return proxy

    def _read_route(self, service: str) -> dict[str, object] | None:
        return self.api.objects.get(self.find_key(service))

    def advance(self, until: float) -> None:
        """Let time pass: requests, scrapes, and objects that reach the proxies."""
        while self.now < until:
            scrape = self.prometheus.next_scrape(self.now)
            push = self._pushes[0][0] if self._pushes else until
            later = self._later[0][0] if self._later else until
            at = max(self.now, min(until, scrape, push, later))
            for traffic in self.traffics.values():
                traffic.flow(at)
            self.now = at
            if at == scrape:
                self.prometheus.scrape(at)
            while self._pushes and self._pushes[0][0] <= at:
                self._arrive(heapq.heappop(self._pushes)[2])
            while self._later and self._later[0][0] <= at:
                heapq.heappop(self._later)[2]()

    def step(self) -> None:
        """Let one period pass and every process tick once."""
        self.advance(self.now + PERIOD)
        # Before the ticks: a process that starts again counts the time before it at once.
        if any(process.is_awake() for process in self.processes):
            self._note_lived()
        for process in self.processes:
            process.step()

    def _note_lived(self) -> None:
        self.lived += min(self.now - self._noted_at, LONGEST_GAP)
        self._noted_at = self.now

    def freeze(self, process: SimulatedProcess, seconds: float) -> None:
        """Let a process stand still in the middle of what it does, while the others go on."""
        process.frozen_until = self.now + seconds
        while self.now < process.frozen_until:
            self.advance(min(self.now + PERIOD, process.frozen_until))
            for other in self.processes:
                if other is not process:
                    if other.is_awake():
                        self._note_lived()
                    other.step()

    def has_ended(self) -> bool:
        """Return whether every process runs, and every rollout that it knows has ended."""
        controllers = [p.controller for p in self.processes if p.leads()]
        if not controllers:
            return False
        return all(
            c is not None and bool(c.states) and not c.active and not self._calls(c)
            for c in controllers
        )

    def _calls(self, controller: Controller) -> bool:
        return any(rollout in controller.fleet.calls for rollout in controller.states)

    def refresh(self) -> None:
        """Send every proxy the routes as they are."""
        for proxy in self.proxies:
            self._arrive(proxy)

    def end_waiting(self) -> None:
        """Let everything that waits for its time happen now."""
        while self._later:
            heapq.heappop(self._later)[2]()

    def _on_change(self, key: Key) -> None:
        if key != self.find_key(key[1]):
            return
        for number, proxy in enumerate(self.proxies):
            heapq.heappush(self._pushes, (self.now + self.push_delay, number, proxy))

    def _arrive(self, proxy: ClientProxy) -> None:
        """Give a proxy the newest routes, unless it is cut off or rejects them."""
        if proxy.is_cut_off or self.now < self.rejects_until:
            return
        for traffic in self.traffics.values():
            traffic.flow(self.now)
        self._take_routes(proxy)

    def _take_routes(self, proxy: ClientProxy) -> None:
        """Let a proxy run the newest routes; an Envoy goes on without a file that it can take."""
        taken = {name: self._read_route(name) or {} for name in self.traffics}
        for name, body in taken.items():
            if self.find_key(name)[0] == PLURALS["envoy"] and not list_routes(body):
                taken[name] = proxy.routes.get(name, {})
        proxy.routes = taken
        proxy.shares = {name: read_shares(body) for name, body in taken.items()}


__all__ = ["BEGIN", "PERIOD", "SECOND", "StoryWorld"]
