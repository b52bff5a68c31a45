"""What processes that count do to their counters, and what versions do to requests."""

from __future__ import annotations

from rollout.stories.faults.registry import LASTS, SILENCES, event
from rollout.stories.setting import CANARY, STABLE
from rollout.stories.world.exporters import REQUESTS, request_labels
from rollout.stories.world.world import StoryWorld


@event("reset", "15 counter reset: a proxy restarts")
def reset(world: StoryWorld, _value: float) -> None:
    """The first proxy begins to count anew."""
    world.proxies[0].exporter.restart(world.now)


@event("forget", "15 one series begins again", (1.0, 2.0))
def forget(world: StoryWorld, value: float) -> None:
    """The first proxy forgets one version's series, and goes on."""
    world.proxies[0].exporter.forget(STABLE if value == 1 else CANARY)


@event("churn", "16 pods come and go")
def churn(world: StoryWorld, _value: float) -> None:
    """The last proxy's pod is replaced by another."""
    old = world.proxies.pop()
    for traffic in world.traffics.values():
        traffic.proxies.remove(old)
    world.prometheus.targets.remove(old.exporter)
    world.add_proxy(old.weight)


@event("relabel", "16 a label is renamed")
def relabel(world: StoryWorld, _value: float) -> None:
    """The first proxy's series get one more label."""
    world.proxies[0].exporter.extra += (("zone", f"z{world.now:.0f}"),)


@event("stale", "14 a target that is not scraped any more", SILENCES)
def silence(world: StoryWorld, value: float) -> None:
    """The first proxy's scrapes fail for a while; its requests go on."""
    exporter = world.proxies[0].exporter
    exporter.is_silent = True

    def end() -> None:
        exporter.is_silent = False

    world.later(value, end)


@event("all-stale", "14 no target is scraped", SILENCES)
def silence_all(world: StoryWorld, value: float) -> None:
    """No scrape succeeds for a while."""
    world.prometheus.missed = 1.0

    def end() -> None:
        world.prometheus.missed = 0.0

    world.later(value, end)


@event("twin-job", "17 the same target under two jobs")
def twin(world: StoryWorld, _value: float) -> None:
    """The first proxy is scraped by a second job too."""
    world.proxies[0].exporter.twin_job = "proxies-again"


@event("workers", "15 several workers behind one address")
def multiply(world: StoryWorld, _value: float) -> None:
    """Scrapes of the first proxy show one worker's counters after another's."""
    world.proxies[0].exporter.workers = 2


@event("jitter", "15 a counter that falls by one")
def jitter(world: StoryWorld, _value: float) -> None:
    """Every other scrape of the first proxy is one request behind."""
    world.proxies[0].exporter.jitters = True


@event("late-target", "16 a target that ran for weeks", (500_000.0, 40.0))
def join(world: StoryWorld, value: float) -> None:
    """A client that has counted before is scraped from now on; it sends little."""
    for service in world.traffics:
        proxy = world.add_proxy(0.02)
        proxy.exporter.started_at = world.now - 3e6
        for version, portion in ((STABLE, 0.9), (CANARY, 0.1)):
            count = int(value * portion)
            failed = count // 3 if version == CANARY else count // 100
            exporter = proxy.exporter
            exporter.add(REQUESTS, request_labels(service, version, "200"), count - failed)
            exporter.add(REQUESTS, request_labels(service, version, "503"), failed)


@event("float-edges", "19 edges are spelt in another way")
def spell(world: StoryWorld, _value: float) -> None:
    """The first proxy's buckets are `100.0` instead of `100`."""
    world.proxies[0].exporter.spells_floats = True


@event("other-edges", "19 bucket layout differs between arms", (100.0, 500.0))
def drop_edge(world: StoryWorld, value: float) -> None:
    """The canary's buckets are without one edge, on every proxy, from now on."""
    for proxy in world.proxies:
        proxy.exporter.lacks_edge = f"{value:g}"


@event("mute-canary", "45 a canary that does not report", SILENCES)
def mute(world: StoryWorld, value: float) -> None:
    """No series of the canary is shown for a while."""
    for proxy in world.proxies:
        exporter = proxy.exporter
        exporter.muted = CANARY
        world.later(value, exporter.unmute)


@event("mute-stable", "14 stable's series go stale", SILENCES, weight=3)
def mute_stable(world: StoryWorld, value: float) -> None:
    """No series of stable is shown for a while."""
    for proxy in world.proxies:
        exporter = proxy.exporter
        exporter.muted = STABLE
        world.later(value, exporter.unmute)


@event("judge-silent", "40 judge down", SILENCES)
def silence_judge(world: StoryWorld, value: float) -> None:
    """The judge's scrapes fail for a while."""
    judge = world.main.judge
    if judge is not None:
        judge.is_silent = True

        def end() -> None:
            judge.is_silent = False

        world.later(value, end)


@event("judge-biased", "41 judge scores one arm less often", (0.1, 0.5), delays=False)
def bias_judge(world: StoryWorld, value: float) -> None:
    """The judge scores so much of the canary's answers as of stable's."""
    world.main.judged = value


@event("feedback-biased", "42 feedback response bias", (0.2, 4.0), delays=False)
def bias_feedback(world: StoryWorld, value: float) -> None:
    """Of the canary's bad answers so many times as many are judged as of stable's."""
    world.main.bad_judged = value


@event("shared-errors", "43 both versions degrade", (0.05, 0.3))
def degrade_both(world: StoryWorld, value: float) -> None:
    """A shared dependency fails a share of all requests for twenty seconds."""
    errors = world.main.extra_errors

    def change(by: float) -> None:
        for version in errors:
            errors[version] += by

    change(value)
    world.later(20.0, lambda: change(-value))


@event("stable-errors", "33 control is short of pods", (0.05, 0.3))
def degrade_stable(world: StoryWorld, value: float) -> None:
    """Stable fails more for twenty seconds."""
    errors = world.main.extra_errors
    errors[STABLE] += value

    def end() -> None:
        errors[STABLE] -= value

    world.later(20.0, end)


@event("surge", "44 another rate of requests", (0.05, 5.0))
def surge(world: StoryWorld, value: float) -> None:
    """The service gets so many times its requests from now on."""
    world.main.rate *= value


@event("canary-down", "45 the canary crashes", LASTS)
def crash(world: StoryWorld, value: float) -> None:
    """The canary has no ready pod for a while; its requests are answered with 503."""
    traffic = world.main
    traffic.is_up[CANARY] = world.api.ready[CANARY] = False

    def end() -> None:
        traffic.is_up[CANARY] = world.api.ready[CANARY] = True

    world.later(value, end)


@event("canary-sick", "39 harm that starts later", (0.3, 1.0), weight=2, delays=False)
def sicken(world: StoryWorld, value: float) -> None:
    """The canary fails a share of its requests from now on."""
    world.main.extra_errors[CANARY] += value


@event("canary-sick-for-some", "37 harm only in one segment", (0.3, 1.0), delays=False)
def sicken_for_some(world: StoryWorld, value: float) -> None:
    """The canary fails a share of the requests of the first client, and of no other one."""
    world.proxies[0].extra_errors = value
