"""What every Envoy's configuration dump showed, and when."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, partial
from math import inf

from rollout.decide.record.split import Split
from tests.live.pipeline import until
from tests.mesh.proxy import Json, Proxy, ServedRoute, configs_of, routes_of
from tests.mesh.story import Story

_PERIOD = 0.1
# From the main thread's configuration, which the dump shows, to the worker's.
_TO_THE_WORKER = 0.05


@dataclass(frozen=True)
class Dump:
    """The routes of an Envoy as its dump showed them at a time (unix seconds, after the answer)."""

    at: float
    text: bytes

    @cached_property
    def configs(self) -> list[Json]:
        """Its entries, parsed when somebody asks: while it is recorded, requests want the core."""
        return configs_of(self.text)


class Recorder:
    """Reads the dumps of some Envoys again and again, and keeps each that differs from the last."""

    def __init__(self, proxies: Sequence[Proxy]) -> None:
        self._proxies = proxies
        self._dumps: dict[str, list[Dump]] = {envoy.name: [] for envoy in proxies}

    @contextmanager
    def running(self) -> Iterator[Recorder]:
        over = threading.Event()
        thread = threading.Thread(target=self._read, args=(over,))
        thread.start()
        try:
            yield self
        finally:
            over.set()
            thread.join()

    def _read(self, over: threading.Event) -> None:
        while not over.wait(_PERIOD):
            for envoy in self._proxies:
                with suppress(OSError):
                    text = envoy.dump_text("dynamic_route_configs")
                    dumps = self._dumps[envoy.name]
                    if not dumps or dumps[-1].text != text:
                        dumps.append(Dump(time.time(), text))

    def first(self, proxy: str, story: Story, split: Split, since: float) -> float | None:
        """When an Envoy's dump first showed a split, from a time on; None if it never did."""
        dumps = self._dumps[proxy]
        for dump, end in zip(dumps, [*(following.at for following in dumps[1:]), inf], strict=True):
            if end > since and shows(routes_of(dump.configs, story.host), story, split):
                return max(dump.at, since) + _TO_THE_WORKER
        return None


def until_shown(
    proxies: Sequence[Proxy], story: Story, split: Split, seconds: float = 20.0
) -> None:
    """Wait until every one of these Envoys shows a split; fails when one takes longer."""
    for envoy in proxies:
        what = f"{envoy.name} shows {split} for {story.host}"
        until(partial(_shows, envoy, story, split), what, seconds)


def _shows(envoy: Proxy, story: Story, split: Split) -> bool:
    return shows(envoy.routes(story.host), story, split)


def shows(routes: Sequence[ServedRoute], story: Story, split: Split) -> bool:
    """Whether an Envoy's routes of a host are what a split means."""
    canary, share = story.cluster("v2"), Fraction(split.canary, split.total)
    shares = [route.clusters.get(canary, Fraction(0)) for route in routes]
    copies = [route.copies.get(canary, Fraction(0)) for route in routes]
    if not split.canary:
        # Without a route the Service's own cluster serves, and the canary has no share either.
        stable = [route.clusters.get(story.cluster("v1")) for route in routes]
        return bool(stable) and set(stable) == {1} and not any(copies)
    if split.way == "segment":
        return len(shares) > 1 and shares == [share, *[0] * (len(shares) - 1)] and not any(copies)
    if split.way == "mirror":
        return bool(shares) and not any(shares) and set(copies) == {share}
    return bool(shares) and set(shares) == {share} and not any(copies)
