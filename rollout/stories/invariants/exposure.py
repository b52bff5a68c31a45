"""I8 to I10: what is counted was really served, and steps and ends rest on what really flows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rollout.decide.record.facts import Decided
from rollout.decide.record.reasons import split_reason
from rollout.decide.record.route_facts import Followed
from rollout.ports import Entry
from rollout.stories.invariants.base import Chronicle, Invariant, RolloutTrace, is_climbing
from rollout.stories.setting import CANARY, PREFERRED, SCRAPE, STABLE
from rollout.stories.world.routes import read_shares
from rollout.stories.world.store import SimulatedDisk
from rollout.stories.world.traffic import ServiceTraffic

_LEAST = 600  # requests
_SERIES = 2  # of one version, that a proxy shows
_FACTOR = 3.0  # by which the odds may differ


class SharesAreTrue(Invariant):
    """No step and no end where the true share contradicts the weight."""

    code = "I10"
    text = "no step, no promotion and no end that is seen against the true share of traffic"

    def __init__(self, chronicle: Chronicle) -> None:
        super().__init__(chronicle)
        self._written_at: dict[tuple[int, str], float] = {}
        self._without: dict[str, float] = {}

    def after_step(self) -> None:
        for service, traffic in self.world.traffics.items():
            live = self.world.api.objects.get(self.world.find_key(service))
            if read_shares(live).canary and not traffic.share():
                self._without[service] = self.world.now

    def on_entries(self, disk: SimulatedDisk, entries: Sequence[Entry]) -> None:
        super().on_entries(disk, entries)
        for entry in entries:
            trace = self.chronicle.trace(disk, entry.fact.rollout)
            if trace is None:
                continue
            if entry.fact.kind in {"confirmed", "drifted"}:
                self._written_at[trace.key] = self.world.now
            if isinstance(entry.fact, Followed) and entry.fact.outcome == "seen":
                self._check_end(trace)

    def on_decision(self, trace: RolloutTrace, fact: Decided) -> None:
        code, _ = split_reason(fact.reasons[0])
        if not is_climbing(trace, fact) or code == "human":
            return
        if trace.plan.spec.traffic is not None or self.chronicle.trusts_wall_clock:
            return
        if self.world.setting.rate != "200":
            return
        since = self.world.now - SCRAPE if code == "held-back" else 0.0
        if self.world.was_restored:  # what came before was of decisions that the journal lacks
            since = self.world.now - trace.plan.spec.ramp.bake
        self._check_share(trace, since)
        self._check_bake(trace, fact)
        self._check_time(trace, fact, code)

    def _check_time(self, trace: RolloutTrace, fact: Decided, code: str) -> None:
        """Check that the bake has run since a whole look agreed with the step before."""
        written_at = self._written_at.get(trace.key)
        if written_at is None or not trace.last_split.canary or code == "held-back":
            return
        if not self._knows_step(trace):
            return
        baked = self.world.now - written_at
        if baked < trace.plan.spec.ramp.bake + SCRAPE - 2:
            self.break_(f"{fact.action} {baked:.0f} s after the step before was confirmed")

    def _knows_step(self, trace: RolloutTrace) -> bool:
        """Return whether the journal has a step before, which an older backup may lack."""
        kinds = {"confirmed", "drifted"}
        return any(f.kind in kinds and f.rollout == trace.rollout for f in trace.disk.facts)

    def _check_share(self, trace: RolloutTrace, since: float) -> None:
        """Check the share since the last write; after a holdback its last look is what agreed."""
        live = self.world.api.objects.get(self.world.find_key(trace.service))
        declared = read_shares(live).canary
        written_at = self._written_at.get(trace.key)
        if not declared or declared == 1 or written_at is None:
            return
        traffic = self.chronicle.traffic(trace)
        before, after = traffic.until(max(since, written_at + 1)), traffic.until(self.world.now)
        canary = after.served[CANARY] - before.served[CANARY]
        stable = after.served[STABLE] - before.served[STABLE]
        if canary + stable < _LEAST:
            return
        odds = (canary + 1) / (stable + 1) * (1 - declared) / declared
        if not 1 / _FACTOR < odds < _FACTOR and "weights" not in self.world.touched:
            self.break_(f"a step at {declared:.0%} with {canary} of {canary + stable} requests")

    def _check_bake(self, trace: RolloutTrace, fact: Decided) -> None:
        """Check that the bake has run since the canary really had traffic."""
        without, now = self._without.get(trace.service), self.world.now
        bake = trace.plan.spec.ramp.bake
        if without is None or now - without >= bake - 1.5 or not trace.decisions:
            return
        if any(decided.split.canary for _, _, decided in trace.decisions[:-1]):
            self.break_(f"{fact.action} {now - without:.0f} s after the canary first had traffic")

    def _check_end(self, trace: RolloutTrace) -> None:
        """Check that the traffic has really followed the last write."""
        last, traffic = trace.last, self.chronicle.traffic(trace)
        if last is None or last.action == "retreat":
            return
        share = traffic.share()
        # A block excludes that half of the old share is left, and no smaller part of it.
        is_wrong = share < 0.75 if last.action == "promote" else share > 0.1
        if is_wrong and self.world.now - self.world.touched_at > 30:
            self.break_(f"seen after {last.action}, and {share:.0%} goes to the canary")


class CountsAreTrue(Invariant):
    """No version has more counted requests or failures than it really served."""

    code = "I8"
    text = "nothing is counted twice, and nothing that was not served"

    def on_decision(self, trace: RolloutTrace, fact: Decided) -> None:
        traffic = self.chronicle.traffic(trace)
        parts = fact.numbers.get("segments", {})
        self._check_segments(traffic, parts)
        for name, numbers in fact.numbers.get("guardrails", {}).items():
            for arm, version in (("canary", CANARY), ("stable", STABLE)):
                served = traffic.pairs if name == PREFERRED else traffic.served[version]
                counted = numbers.get(arm) or 0
                if counted > served:
                    self.break_(f"{name}: {counted} counted of {version}, {served} served")
                bad, failed = numbers.get(f"{arm}_bad") or 0, traffic.failed[version]
                if name == "errors" and bad > failed:
                    self.break_(f"{name}: {bad} failures counted of {version}, {failed} are true")

    def _check_segments(self, traffic: ServiceTraffic, parts: Mapping[str, Any]) -> None:
        """Check that all segments together have no more than was served."""
        for arm, version in (("canary", CANARY), ("stable", STABLE)):
            for key, most in ((arm, traffic.served), (f"{arm}_bad", traffic.failed)):
                counted = sum(numbers.get(key) or 0 for numbers in parts.values())
                if counted > most[version]:
                    self.break_(f"{counted} {key} counted in segments, {most[version]} are true")


class WindowsAreClean(Invariant):
    """Both versions are counted over the same time, and only after the warm-up."""

    code = "I9"
    text = "warm-up is left out, and both versions are counted over the same time"

    def on_decision(self, trace: RolloutTrace, fact: Decided) -> None:
        if self.chronicle.has_any("late", "workers") or trace.plan.spec.traffic is not None:
            return
        numbers = fact.numbers.get("guardrails", {}).get("errors")
        if not numbers or not numbers.get("canary"):
            return
        traffic = self.chronicle.traffic(trace)
        begin = next((entry.at for entry in traffic.ledgers if entry.served[CANARY]), None)
        if begin is None:
            return
        warm = traffic.until(begin + trace.plan.spec.warmup - 1e-3)
        # The scrape at the warm-up's end may show each series a unit behind, which counts after it.
        behind = _SERIES if self.chronicle.has_any("jitter") else 0
        for arm, version in (("canary", CANARY), ("stable", STABLE)):
            most = traffic.served[version] - warm.served[version] + behind
            if numbers[arm] > most:
                self.break_(f"{numbers[arm]} counted of {version}, {most} served after the warm-up")
