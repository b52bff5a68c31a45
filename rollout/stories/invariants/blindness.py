"""I5 and I6: a promotion needs proof that is fresh, and who is blind does not climb."""

from __future__ import annotations

from rollout.decide.record.facts import Decided, HumanSaid
from rollout.decide.record.reasons import split_reason
from rollout.stories.invariants.base import Chronicle, Invariant, RolloutTrace, is_climbing
from rollout.stories.setting import CANARY, NEIGHBOURS, PEOPLE, SHOWN, STABLE, TIMES
from rollout.stories.world.routes import read_shares
from rollout.stories.world.world import PERIOD

_NEAR = 1.0 + 1e-6  # decimal logarithm: half of what a false-rollback rate of 1 % asks for
_STALE = 15.0  # seconds after which samples are old: three scrapes
_SLACK = 6.0  # a look
_LATE = 15.0  # seconds by which the action after a hold may come late: three looks
_EARLY = 8.0  # seconds by which a blind hold may seem longer than it was


def find_promised(trace: RolloutTrace) -> bool:
    """Return whether a person asked for a promotion."""
    return any(
        isinstance(fact, HumanSaid) and fact.command == "promote" and fact.rollout == trace.rollout
        for fact in trace.disk.facts
    )


class NeedsEvidence(Invariant):
    """A promotion has every guardrail safe, or a person, or the plan's word at the ramp's top."""

    code = "I5"
    text = "a promotion needs every guardrail safe with fresh data"

    def on_decision(self, trace: RolloutTrace, fact: Decided) -> None:
        code, _ = split_reason(fact.reasons[0])
        joint = fact.numbers.get("joint") or 0.0
        is_raised = is_climbing(trace, fact) and code != "human"
        if is_raised and joint > _NEAR:
            self.break_(f"{fact.action} with {joint / (2 * _NEAR):.0%} of the evidence of harm")
        if fact.action not in {"promote", "hold back"}:
            return
        if code == "human":
            if not find_promised(trace):
                self.break_("promoted for a person, and nobody said that")
        elif code in {"inconclusive", "used-up"}:
            self._check_inconclusive(trace)
        elif code in {"all-safe", "better"} and "all-safe" in fact.reasons:
            self._check_safe(trace, fact)
        elif code != "held-back":
            self.break_(f"promoted for {fact.reasons[0]}")

    def _check_inconclusive(self, trace: RolloutTrace) -> None:
        if trace.plan.spec.when_inconclusive != "promote":
            self.break_("promoted as inconclusive, which the plan does not ask for")
        live = self.world.api.objects.get(self.world.find_key(trace.service))
        if read_shares(live).canary < 0.5 - 1e-3:
            self.break_("promoted without proof from below the top of the ramp")

    def _check_safe(self, trace: RolloutTrace, fact: Decided) -> None:
        weighed = {
            name: numbers
            for name, numbers in fact.numbers.get("guardrails", {}).items()
            if name not in {SHOWN, PEOPLE}
        }
        verdicts = {name: numbers["verdict"] for name, numbers in weighed.items()}
        if not verdicts or set(verdicts.values()) != {"safe"}:
            self.break_(f"promoted while guardrails are {verdicts}")
        shares = [numbers["safe"] or 0.0 for numbers in weighed.values()]
        if min(shares, default=0.0) < 1 - 1e-4:
            self.break_(f"promoted with {min(shares):.0%} of the proof")
        traffic, now = self.chronicle.traffic(trace), self.world.now
        longer = traffic.compare_tokens()
        if longer > TIMES:
            self.break_(f"promoted with {longer:.2g} times the tokens, at most {TIMES} are allowed")
        if traffic.users[CANARY] < 30:
            self.break_(f"promoted after {traffic.users[CANARY]} requests of the canary")
        before, after = traffic.until(now - 25), traffic.until(now - 6)
        served = after.served[CANARY] - before.served[CANARY]
        failed = after.failed[CANARY] - before.failed[CANARY]
        stable = after.served[STABLE] - before.served[STABLE]
        stable_failed = after.failed[STABLE] - before.failed[STABLE]
        if served >= 300 and failed / served > stable_failed / max(stable, 1) + 0.25:
            self.break_(f"promoted while {failed} of the last {served} requests have failed")


class FailsStatic(Invariant):
    """Who gets no data does not climb, and acts on it once, after the hold and not before."""

    code = "I6"
    text = "blind means no increase, and the plan's action exactly once after its hold"

    def __init__(self, chronicle: Chronicle) -> None:
        super().__init__(chronicle)
        self._acted: set[tuple[int, str]] = set()
        self._silent_for = 0.0  # seconds for which stable is silent and somebody could act on it

    def on_decision(self, trace: RolloutTrace, fact: Decided) -> None:
        code, _ = split_reason(fact.reasons[0])
        if fact.action == "resume":
            self._acted.discard(trace.key)
        if code == "blind-too-long" and fact.action in {"pause", "roll back"}:
            self._check_action(trace)
        is_own = code not in {"human", "held-back"}
        if is_climbing(trace, fact) and is_own:
            self._check_increase(trace, fact)

    def after_step(self) -> None:
        """Check that a silence of stable that outlasts the hold is acted on."""
        trace = self.chronicle.main_trace()
        age = self.world.now - self.world.prometheus.newest.get(STABLE, self.world.now)
        if trace is None or age <= _STALE or not self._has_to_act(trace):
            self._silent_for = 0.0
            return
        self._silent_for += PERIOD if self.chronicle.is_well() else 0.0
        if self._silent_for > trace.plan.spec.when_blind.hold + _LATE:
            self.break_(f"nobody has acted on {age:.0f} s without a sample of stable")
            self._silent_for = 0.0

    def _has_to_act(self, trace: RolloutTrace) -> bool:
        last, live = trace.last, self.world.api.objects.get(self.world.key)
        has_climbed = last is not None and last.action in {"advance", "reallocate", "resume"}
        has_way = last is not None and last.split.way == "weights"
        is_open = has_climbed and has_way and not (trace.has_ended or trace.is_paused)
        return is_open and bool(read_shares(live).canary)

    def _check_action(self, trace: RolloutTrace) -> None:
        if trace.key in self._acted and not self.world.was_restored:
            self.break_("acted twice on one blindness")
        self._acted.add(trace.key)
        is_odd = self.chronicle.has_any(
            "stale", "workers", "twin", "missed", "mute", "forget", "reset", "churn", "relabel",
            "surge", "late", "judge", "down", "same-arms", "one-series", "nan", "jitter", "restore",
            "blink", "not-ready", "cut-off", "rejects", "push", "edges", "pair", "shuffled",
            "cluster", "freeze-query",
        )  # fmt: skip
        is_odd = is_odd or self.chronicle.trusts_wall_clock
        has_traffic = self.world.setting.rate == "200" and self.world.setting.start != "swapped"
        if is_odd or not has_traffic:
            return
        blind_since = self.world.prometheus.bad_since
        if trace.service in NEIGHBOURS:  # each on a server of its own
            blind_since = self.world.hanging.silent_since
        held = 0.0 if blind_since is None else self.world.now - blind_since
        if held < trace.plan.spec.when_blind.hold - _EARLY:
            self.break_(f"acted as blind after {held:.0f} s without an answer")

    def _check_increase(self, trace: RolloutTrace, fact: Decided) -> None:
        prometheus, now = self.world.prometheus, self.world.now
        since = prometheus.bad_since
        if since is not None and (prometheus.is_refusing or now - since > _STALE + _SLACK):
            self.break_(f"{fact.action} without an answer of Prometheus for {now - since:.0f} s")
        # Copies of requests are not counted everywhere, so a canary's silence says nothing there.
        has_weight = trace.last_split.canary and trace.last_split.way == "weights"
        for version in (STABLE, CANARY) if has_weight else (STABLE,):
            age = now - prometheus.newest.get(version, now)
            if age > _STALE + _SLACK:
                self.break_(f"{fact.action} on samples of {version} that are {age:.0f} s old")
