"""The API server's faults, and what lies between it and the proxies."""

from __future__ import annotations

from rollout.stories.faults.registry import LASTS, event
from rollout.stories.setting import CANARY
from rollout.stories.world.world import StoryWorld

_ANSWERS = {
    "down": "22 no answer",
    "hangs": "22 each request waits for its time-out",
    "throttled": "22 429",
    "broken": "22 5xx",
    "unclear": "22 timeout after commit",
    "conflicts": "22 409",
    "watch-gone": "23 watch closed, 410",
    "denies": "26 admission webhook rejects",
    "no-patch": "27 RBAC lost",
    "no-get": "27 RBAC lost",
    "drops": "28 fields that are accepted and not stored",
}


def _register(fault: str, stands_for: str) -> None:
    @event(f"api-{fault}", stands_for, LASTS)
    def spoil(world: StoryWorld, value: float) -> None:
        world.api.faults[fault] = world.now + value


for _fault, _kind in _ANSWERS.items():
    _register(_fault, _kind)


@event("watch-lag", "23 stale watch cache", (5.0, 30.0), delays=False)
def lag(world: StoryWorld, value: float) -> None:
    """Watches show what was so many seconds ago."""
    world.api.watch_lag = value


@event("cut-off", "28 a proxy never gets it", (10.0, 40.0, 100.0))
def cut_off(world: StoryWorld, value: float) -> None:
    """The first proxy hears of no change for a while."""
    proxy = world.proxies[0]
    proxy.is_cut_off = True

    def end() -> None:
        proxy.is_cut_off = False
        world.refresh()

    world.later(value, end)


@event("rejects", "28 proxies reject it", (10.0, 40.0, 100.0))
def reject(world: StoryWorld, value: float) -> None:
    """No proxy takes what it is sent, for a while."""
    world.rejects_until = world.now + value
    world.later(value + 0.1, world.refresh)


@event("slow-push", "28 xDS delay", (3.0, 12.0))
def slow_down(world: StoryWorld, value: float) -> None:
    """Changes take so long to reach the proxies."""
    world.push_delay = value


@event("ejects", "31 outlier ejection shifts the share", (0.4, 0.9), weight=2, delays=False)
def eject(world: StoryWorld, value: float) -> None:
    """Every proxy sends a share of the canary's requests to stable."""
    for proxy in world.proxies:
        proxy.ejects = value


@event("affinity", "32 session affinity drifts", (0.4,), weight=2, delays=False)
def draw(world: StoryWorld, value: float) -> None:
    """Cookies keep a share of stable's users with the canary, whatever weight it has but 0."""
    for proxy in world.proxies:
        proxy.draws = value


@event("no-cluster", "30 an Envoy's canary cluster comes after its routes, or goes", LASTS)
def lack_cluster(world: StoryWorld, value: float) -> None:
    """A local Envoy has no cluster of the canary for a while; what it sends there fails."""
    if world.setting.mesh != "envoy":
        return
    world.api.faults["no-cluster"] = world.now + value
    unready(world, value)


@event("not-ready", "30 no endpoint behind the canary", LASTS)
def unready(world: StoryWorld, value: float) -> None:
    """The canary's pods are not ready, as the cluster says, for a while."""
    ready, is_up = world.api.ready, world.main.is_up
    ready[CANARY] = is_up[CANARY] = False

    def end() -> None:
        ready[CANARY] = is_up[CANARY] = True

    world.later(value, end)
