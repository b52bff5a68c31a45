"""When the next look is due: right after a scrape, and never later than the plan's `interval`.

How it works: every target is scraped once per scrape interval, at a moment of its own. The sample
times that a rollout's guardrails know give these moments, as ages before the last look. Of the
canary's, one is chosen: the last before the look if that was close, so that looks keep their phase;
otherwise the one before the longest pause, since then no other target of the canary waits long.
Targets of either version that are scraped soon after it are awaited too, or the delay of a tick
would decide whether their samples belong to a look. Looks so chosen lie one interval apart and
hold every target's samples of one interval; only the look by which the phase is found is shorter.

Counts have no part in this: the tests' error rates need looks that end independently of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from analysis.fast_replace import replace
from rollout.decide.evidence.blindness import stale_after
from rollout.decide.state.rollout import RolloutState

_MARGIN = 0.25  # seconds from a scrape's begin until its samples can be read, or less:
_MARGIN_SHARE = 0.1  # of the scrape interval
_CLOSE = 0.25  # of a scrape interval: within it a look came right after a scrape
_SOON = 0.125  # of a scrape interval: within it another target's scrape is awaited
_TICK = 1.0  # seconds by which a tick may delay a look, and the next one makes up for it
_JITTER = 0.02  # of a scrape interval, by which a scrape may come early
_ROUNDING = 1e-3  # seconds by which a sample may seem younger than the look that read it


@dataclass(frozen=True)
class NextLook:
    """When a look is due (`at`), and when the sample that it comes for is scraped; unix seconds.

    It is put off while that sample cannot be read yet, but not beyond `latest`. `scrape` is the
    scrape interval in seconds.
    """

    at: float
    latest: float
    scraped_at: float
    scrape: float

    def has_come(self, times: Iterable[float]) -> bool:
        """Return whether the awaited sample is among those of these times."""
        early, late = _JITTER * self.scrape, _SOON * self.scrape
        return any(-early <= at - self.scraped_at <= late for at in times)

    def again_at(self, now: float) -> float:
        """Return when to ask again: the time since the scrape doubles, so there are few queries."""
        return min(self.latest, now + max(margin(self.scrape), now - self.scraped_at))


def next_look(state: RolloutState, looked_at: float) -> NextLook:
    """Return when the look after the one at `looked_at` is due.

    Where the newest scrape could not be read yet, it comes soon: one that always came so early
    would be a whole scrape behind.
    """
    spec = state.plan.spec
    scrape, latest = spec.prometheus.scrape, looked_at + spec.interval
    canary, stable = _find_rounds(state)
    times = [*canary, *stable]
    if not times:
        return NextLook(latest, latest, latest, scrape)
    age = _choose_age(canary or stable, times, looked_at, scrape)
    late = _find_lateness(state, max(times), looked_at)
    unread = NextLook(latest, latest, looked_at - age - late, scrape)
    if not unread.has_come(times):
        return replace(unread, at=unread.again_at(looked_at))
    at = latest - max(0.0, age - margin(scrape))
    return NextLook(at, latest, latest - age - late, scrape)


def _find_lateness(state: RolloutState, newest: float, looked_at: float) -> float:
    """Return the whole scrapes by which samples come late, in seconds, as the plan allows it."""
    spec = state.plan.spec
    scrape, lag = spec.prometheus.scrape, max(guardrail.lag for guardrail in spec.guardrails)
    late = min(lag, looked_at - newest + _ROUNDING)
    return max(0.0, late // scrape * scrape)


def margin(scrape: float) -> float:
    """Return the seconds from a scrape's begin to the first attempt to read its samples."""
    return min(_MARGIN, _MARGIN_SHARE * scrape)


def is_partial(state: RolloutState, at: float) -> bool:
    """Return whether a look at `at` is one by which the phase is found, and so too short.

    It may lack a sample of a target, and it holds less than an interval's requests. Looks that only
    make up for a tick's delay are no such looks.
    """
    spec = state.plan.spec
    least = spec.interval - max(_CLOSE * spec.prometheus.scrape, _TICK)
    return state.looked_at is not None and at - state.looked_at < least


def _choose_age(
    awaited: Sequence[float], times: Sequence[float], looked_at: float, scrape: float
) -> float:
    """Return how long before the look the scrape was which the next look follows (seconds).

    It is below one scrape interval. `awaited` are the sample times of the targets that count,
    `times` those of all.
    """
    ages = _compute_ages(awaited, looked_at, scrape)
    age = next((age for age in ages if age >= margin(scrape)), ages[0])
    if age - margin(scrape) > _CLOSE * scrape:
        age = _find_end_of_round(ages, scrape)
    later = [other for other in _compute_ages(times, looked_at, scrape) if other < age]
    last = _find_last_soon(age, later, _SOON * scrape)
    return last if age - last <= _CLOSE * scrape else age


def _find_rounds(state: RolloutState) -> tuple[Sequence[float], Sequence[float]]:
    """Return the sample times of the newest round of scrapes of the canary, and of stable.

    A canary without new samples has none: its looks then follow stable's scrapes.
    """
    scrape = state.plan.spec.prometheus.scrape
    guardrails = state.guardrails.values()
    canary = {at for guardrail in guardrails for at, _ in guardrail.last_times("canary")}
    stable = {at for guardrail in guardrails for at, _ in guardrail.last_times("stable")}
    newest = max(canary | stable, default=0.0)
    if max(canary, default=0.0) < newest - stale_after(state):
        canary = set()
    return list(_iterate_round(canary, scrape)), list(_iterate_round(stable, scrape))


def _iterate_round(times: set[float], scrape: float) -> Iterator[float]:
    newest = max(times, default=0.0)
    return (at for at in times if at > newest - (1 - _JITTER) * scrape)


def _compute_ages(times: Sequence[float], looked_at: float, scrape: float) -> list[float]:
    """Return the seconds from each target's last scrape to the look, youngest first.

    A target whose newest sample is older than a scrape interval will be scraped at its usual moment
    again.
    """
    return sorted(max(0.0, (looked_at - at + _ROUNDING) % scrape - _ROUNDING) for at in times)


def _find_end_of_round(ages: Sequence[float], scrape: float) -> float:
    """Return the age of the scrape that is followed by the longest time without one."""
    pauses = [
        age - younger for age, younger in zip(ages, [ages[-1] - scrape, *ages[:-1]], strict=True)
    ]
    return ages[pauses.index(max(pauses))]


def _find_last_soon(age: float, later: Sequence[float], soon: float) -> float:
    """Return the age of the last of the scrapes that follow one another soon from `age` on."""
    for other in reversed(later):
        if age - other > soon:
            break
        age = other
    return age
