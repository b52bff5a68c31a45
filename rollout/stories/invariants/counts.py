"""I8 and I9: what is counted was really served, once, and in the window that counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rollout.decide.record.facts import Decided
from rollout.stories.invariants.base import Invariant, RolloutTrace
from rollout.stories.setting import CANARY, STABLE
from rollout.stories.world.traffic import ServiceTraffic

_SERIES = 2  # of one version, that a proxy shows


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
                counted, served = numbers.get(arm) or 0, traffic.served[version]
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
