"""The only place where doors are plugged in; each is imported when it is needed."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from rollout import __version__
from rollout.errors import InputError, JournalMovedError, RouteError
from rollout.journal.place import Where
from rollout.ports import Ports
from rollout.tick.controller import Controller

if TYPE_CHECKING:
    from rollout.cluster.client import Cluster as Kubernetes
    from rollout.cluster.kinds import Kind
    from rollout.cluster.watched import Watched
    from rollout.decide.facts import Fact
    from rollout.doctor.examine import Cluster, Tools
    from rollout.metrics.meter import Meter
    from rollout.plan.model import Plan
    from rollout.ports import Entry, Historian, Observer, Router
    from rollout.route.remove.remover import Remover
    from rollout.schedule import Pacer

_RELIST = 60  # seconds; a watch that went silent is found then
_RETRIES = 20  # a controller appends a few times per look; one of these falls in between


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.time()  # noqa: TID251 - this is the clock port

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def timer() -> float:
    """Seconds that never go back and count also while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@contextmanager
def controller(
    journal: Where,
    context: str | None = None,
    fence: Callable[[], None] = lambda: None,
    *,
    instead: bool = False,
) -> Iterator[Controller]:
    """A controller that alone decides on this journal; `context` is the kubeconfig's.

    Each write of a weight first asks `fence` and the journal; `instead` ends another's hold on it.

    Raises JournalBusyError, JournalError.
    """
    from rollout.journal.store import open_journal
    from rollout.observe.prometheus import PrometheusObserver
    from rollout.webhook import WebHooks

    store = open_journal(journal)

    def still_decides() -> None:
        fence()
        store.check_held()

    with closing(store), store.lock(instead=instead), ExitStack() as watches:
        meshes = router(context, watches, still_decides)
        ports = Ports(PrometheusObserver(), meshes, store, SystemClock(), WebHooks(timer))
        yield Controller(ports, __version__)


def router(
    context: str | None = None,
    watches: ExitStack | None = None,
    fence: Callable[[], None] = lambda: None,
) -> Router:
    """Every mesh's router; the cluster is connected to when the first plan needs it.

    With `watches`, whose end ends them, objects are watched; else each look is a request. Each
    write first asks the fence, which raises for a controller that no longer decides.
    """
    from rollout.route.by_mesh import ByMesh
    from rollout.route.fence import FencedObjects, FencedRouter

    def envoy() -> Router:
        from rollout.route.envoy.proxy import EnvoyRouter
        from rollout.route.policy.proxy import EnvoyKeeper
        from rollout.route.policy.router import WithPolicy

        return WithPolicy(EnvoyRouter(), EnvoyKeeper())

    def objects() -> Router:
        from rollout.cluster.client import connect
        from rollout.route.cluster.router import ClusterRouter
        from rollout.route.create.creator import WithCreation
        from rollout.route.policy.cluster import ClusterKeeper
        from rollout.route.policy.router import WithPolicy

        try:
            cluster = connect(context)
        except InputError as error:
            raise RouteError(str(error), unread=True) from None
        fenced = FencedObjects(cluster, fence)
        weights = ClusterRouter(fenced, watched(cluster, watches) if watches else None)
        return WithCreation(WithPolicy(weights, ClusterKeeper(fenced)), fenced)

    return FencedRouter(ByMesh({"envoy": envoy, "istio": objects, "gateway": objects}), fence)


def watched(cluster: Kubernetes, until: ExitStack) -> Watched:
    """Watches of routing objects. A lost one is told by nobody: looks are requests again then."""
    from rollout.cluster.informer import Informer
    from rollout.cluster.watched import Watched

    def watch(kind: Kind, namespace: str) -> Informer:
        return Informer(cluster.api, kind, namespace, lambda _problem: None, _RELIST)

    watches = Watched(watch)
    until.callback(watches.stop)
    return watches


@contextmanager
def metered(port: int | None, address: str) -> Iterator[Meter]:
    """A meter for one controller, served to Prometheus and probes where a port is given.

    Raises InputError where nobody can listen.
    """
    from rollout.metrics.meter import Meter

    meter = Meter(__version__, SystemClock().now, time.perf_counter)
    with ExitStack() as stack:
        if port is not None:
            from rollout.metrics.door import serving

            stack.enter_context(serving(meter, address, port))
        yield meter


def observer() -> Observer:
    """What reads a plan's Prometheus, with little patience: a person waits for it."""
    from rollout.observe.prometheus import PrometheusObserver

    return PrometheusObserver(timeout=2.0)


def historian() -> Historian:
    """What reads half a day of a plan's Prometheus, with the patience that this takes."""
    from rollout.observe.prometheus import PrometheusObserver

    return PrometheusObserver(timeout=30.0)


def remover(context: str | None = None) -> Remover:
    """What removes a plan's objects, with the rights of whoever asks. Raises InputError."""
    from rollout.cluster.client import connect
    from rollout.route.remove.remover import Remover

    return Remover(connect(context), SystemClock().sleep)


def examination(context: str | None = None) -> Tools:
    """What `surefoot doctor` looks through; a cluster is connected to when it is asked."""
    from rollout.doctor.examine import Tools
    from rollout.observe.prometheus import PrometheusObserver

    def unknown(plan: Plan) -> str:
        from rollout.route.envoy.proxy import unknown

        return unknown(plan)

    def cluster() -> Cluster:
        from rollout.cluster.client import connect

        return connect(context)

    query = PrometheusObserver().vector
    return Tools(query, SystemClock().now, router(context), unknown, cluster)


def record(journal: Where, fact: Fact) -> Entry:
    """Append a fact beside whoever else writes; makes the journal where there is none.

    Raises JournalMovedError when the journal never stood still, JournalError.
    """
    from rollout.journal.store import open_journal

    with closing(open_journal(journal)) as store:
        last = 0
        for _ in range(_RETRIES):
            entries = store.read(last)
            last = entries[-1].seq if entries else last
            try:
                return store.append([fact], after=last)[0]
            except JournalMovedError:
                continue
    raise JournalMovedError("the journal keeps moving; nothing was recorded, try again")


def pacer(
    controller: Controller,
    rollouts: Sequence[str],
    on_problem: Callable[[str], None],
    meter: Meter | None = None,
) -> Pacer:
    """Ticks until these rollouts are terminal: often enough for looks and for prompt retries."""
    from rollout.schedule import Pacer

    states, tick = controller.states, controller.tick
    if meter is not None:
        tick = meter.around(tick, states, lambda: controller.head)
    shortest = min(states[rollout].plan.spec.interval for rollout in rollouts)
    return Pacer(
        tick,
        lambda: all(states[r].terminal and r not in controller.fleet.calls for r in rollouts),
        min(1.0, shortest / 4),
        on_problem,
    )


@contextmanager
def stopping(pacer: Pacer) -> Iterator[None]:
    """Let SIGTERM and Ctrl-C end the run after the tick under way."""
    signals = (signal.SIGINT, signal.SIGTERM)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        pacer.stop()

    before = {number: signal.signal(number, stop) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
