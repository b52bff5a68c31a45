"""Which versions of which services answer how many requests, as the newest looks recorded it.

Nothing is asked for this: what a journal does not hold is unknown.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from threading import Lock

from analysis.counting.cursor import Arm
from rollout.decide.evidence.exposure import exposure_guardrail
from rollout.decide.record.facts import Observed
from rollout.decide.state.rollout import RolloutState
from rollout.decide.text.numbers import decimal
from rollout.page.reader import JournalReader
from rollout.page.views import find_chips, why_called
from rollout.plan.fields.units import duration, percent
from rollout.plan.model.guardrail import Guardrail
from rollout.review.traffic import RecentUnits, count_recent

MOST_SERVICES = 25
"""Services on the page; those that need a person and those under way come first."""

UNKNOWN = "unknown"
_LOOKS, _ENTRIES = 4, 12  # the newest looks, which are among so many of the newest entries
_KEPT = 2 * MOST_SERVICES
_WORST = ("harmful", "blind", "undecided", "safe")

_Recent = Mapping[str, RecentUnits]


@dataclass(frozen=True)
class VersionLine:
    """One version of a service, in words."""

    version: str
    role: str
    share: str
    rate: str
    slowest: str  # 99 of a hundred requests take no longer
    errors: str
    health: str
    uptime: str


@dataclass(frozen=True)
class ServiceLines:
    """A service's versions in its newest rollout; `counted_at` is None where no look tells it."""

    namespace: str
    service: str
    rollout: str
    phase: str
    calls: str
    counted_at: float | None
    versions: tuple[VersionLine, ...]


@dataclass(frozen=True)
class TopologyRoom:
    """Works the lines out, and keeps what the newest looks of a rollout counted."""

    reader: JournalReader
    _kept: OrderedDict[tuple[str, int], _Recent] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def lines(self) -> tuple[list[ServiceLines], int]:
        """Return the services, and how many were left out. Raises JournalError."""
        states, now = self.reader.states(), self.reader.now()
        newest, promoted = dict[tuple[str, str], str](), dict[tuple[str, str, str], float]()
        for rollout, state in states.items():
            service = state.plan.metadata.namespace, state.plan.spec.service
            newest.pop(service, None)
            newest[service] = rollout
            if state.phase == "promoted":
                promoted[(*service, state.versions[1])] = state.delivery.confirmed_at or math.nan
        order = [*reversed(newest)]
        order.sort(key=lambda service: _rank(states[newest[service]]))
        lines = []
        for service in islice(order, MOST_SERVICES):
            rollout, state = newest[service], states[newest[service]]
            recent = self._count(rollout, state)
            since = promoted.get((*service, _stable_of(state)))
            lines.append(_describe(rollout, state, recent, since, now))
        return lines, max(len(order) - MOST_SERVICES, 0)

    def _count(self, rollout: str, state: RolloutState) -> _Recent:
        places = self.reader.places_of(rollout)[-_ENTRIES:]
        key = rollout, places[-1]
        with self._lock:
            kept_units = self._kept.get(key)
        if kept_units is not None:
            return kept_units
        facts = [entry.fact for entry in self.reader.entries(places)]
        looks = [fact for fact in facts if isinstance(fact, Observed)][-_LOOKS:]
        counted = {g.name: count_recent(looks, g.name) for g in state.plan.spec.guardrails}
        recent = {name: units for name, units in counted.items() if units is not None}
        with self._lock:
            self._kept[key] = recent
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return recent


def _rank(state: RolloutState) -> tuple[bool, bool]:
    return not why_called(state, is_blind=False), state.is_terminal


def _name_role(state: RolloutState, arm: Arm) -> str:
    if state.phase == "promoted":
        return "stable" if arm == "canary" else "before"
    return arm


def _stable_of(state: RolloutState) -> str:
    return state.stable_after or state.versions[0]


def _describe(
    rollout: str, state: RolloutState, recent: _Recent, since: float | None, now: float
) -> ServiceLines:
    stable, canary = state.versions
    share = state.live.served_share
    begun = {stable: since if stable == _stable_of(state) else None, canary: state.first_canary_at}
    if state.phase == "promoted":
        begun[canary] = since
    sides: tuple[tuple[Arm, str, float], ...] = (
        ("stable", stable, 1.0 - share),
        ("canary", canary, share),
    )
    return ServiceLines(
        namespace=state.plan.metadata.namespace,
        service=state.plan.spec.service,
        rollout=rollout,
        phase=state.phase,
        calls=why_called(state, is_blind=bool(state.blind_since) and not state.is_terminal),
        counted_at=max((units.until for units in recent.values()), default=None),
        versions=tuple(
            VersionLine(
                version=version,
                role=_name_role(state, arm),
                share=percent(round(part_served, 6)),
                rate=_describe_rate(state, recent, arm),
                slowest=_describe_slowest(state, recent, arm),
                errors=_describe_errors(state, recent, arm),
                health=_describe_health(state) if arm == "canary" else UNKNOWN,
                uptime=_describe_uptime(begun[version], part_served, now),
            )
            for arm, version, part_served in sides
        ),
    )


def _describe_rate(state: RolloutState, recent: _Recent, arm: Arm) -> str:
    units = recent.get(exposure_guardrail(state.plan))
    return f"{decimal(units.rate(arm))}/s" if units else UNKNOWN


def _describe_slowest(state: RolloutState, recent: _Recent, arm: Arm) -> str:
    guardrail, units = _first_of(state, recent, lambda own: own.metric.is_time)
    value = units.percentile(arm) if units else None
    if guardrail is None or units is None or value is None:
        return UNKNOWN
    if math.isinf(value):
        return f"above {guardrail.metric.spell(units.counts.edges[-2])}"
    return f"at most {guardrail.metric.spell(float(decimal(value).replace(',', '')))}"


def _describe_errors(state: RolloutState, recent: _Recent, arm: Arm) -> str:
    _, units = _first_of(
        state, recent, lambda own: own.metric.kind == "rate" and not own.metric.is_judged
    )
    share = units.bad_share(arm) if units else None
    return UNKNOWN if share is None else percent(round(share, 4))


def _first_of(
    state: RolloutState, recent: _Recent, is_wanted: Callable[[Guardrail], bool]
) -> tuple[Guardrail | None, RecentUnits | None]:
    fitting: Sequence[Guardrail] = [g for g in state.plan.spec.guardrails if is_wanted(g)]
    counted = next((g for g in fitting if g.name in recent), None)
    return counted, recent[counted.name] if counted else None


def _describe_health(state: RolloutState) -> str:
    """Return the canary's worst verdict, or that it has no endpoint."""
    if state.route_read and state.route_read.has_endpoints is False:
        return "no ready endpoint"
    verdicts = {verdict for _, verdict in find_chips(state)}
    return next((verdict for verdict in _WORST if verdict in verdicts), UNKNOWN)


def _describe_uptime(begun: float | None, share: float, now: float) -> str:
    if share <= 0:
        return "not serving"
    if begun is None or math.isnan(begun):
        return UNKNOWN
    return duration(max(round(now - begun), 0))
