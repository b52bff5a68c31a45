"""What Prometheus answers when it is ill."""

from __future__ import annotations

from rollout.stories.faults.registry import LASTS, event
from rollout.stories.world.world import StoryWorld

_ANSWERS = {
    "down": "10 down",
    "slow": "11 timeout",
    "busy": "11 503",
    "partial": "11 partial answers",
    "empty": "12 empty vector",
    "nan": "13 NaN",
    "blink": "17 a replica that lacks the newest samples",
    "shuffled": "17 duplicate and out-of-order samples",
    "same-arms": "18 both arms return the same series",
    "unreadable": "21 HTTP 422",
    "one-series": "21 another number of series",
    "garbled": "21 an answer of another shape",
    "denied": "11 401",
}


def _register(fault: str, stands_for: str) -> None:
    @event(f"prometheus-{fault}", stands_for, LASTS, weight=0.7)
    def spoil(world: StoryWorld, value: float) -> None:
        world.prometheus.faults[fault] = world.now + value


for _fault, _kind in _ANSWERS.items():
    _register(_fault, _kind)


@event("prometheus-pair", "17 two replicas that answer in turn", weight=2)
def pair(world: StoryWorld, _value: float) -> None:
    """Every other query is answered by a second replica, which has scraped at other times."""
    world.prometheus.add_twin()


@event("late-samples", "20 late data", (1.0, 4.0, 12.0))
def delay(world: StoryWorld, value: float) -> None:
    """Samples can be read so many seconds after their scrape, for half a minute."""
    world.prometheus.delay = value

    def end() -> None:
        world.prometheus.delay = 0.05

    world.later(30.0, end)


@event("missed-scrapes", "14 scrapes that fail", (0.2, 0.6), delays=True)
def miss(world: StoryWorld, value: float) -> None:
    """A share of all scrapes fails, for half a minute."""
    world.prometheus.missed = value

    def end() -> None:
        world.prometheus.missed = 0.0

    world.later(30.0, end)
