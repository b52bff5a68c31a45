"""I4 and I17: a rollback names what is really so, and harm that is there is answered in time."""

from __future__ import annotations

from math import log10

from rollout.decide.record.facts import Decided, HumanSaid
from rollout.decide.record.reasons import split_reason
from rollout.decide.record.route_facts import Confirmed
from rollout.stories.invariants.base import Chronicle, Invariant, RolloutTrace
from rollout.stories.invariants.bulkheads import FIRST, NEW, TURN
from rollout.stories.invariants.writes import read_mark
from rollout.stories.setting import CANARY, NEIGHBOURS, PREFERRED, QUALITY, STABLE
from rollout.stories.world.process import SimulatedProcess
from rollout.stories.world.routes import read_shares
from rollout.stories.world.traffic import ServiceTraffic
from rollout.stories.world.world import LONGEST_GAP

_WITHIN = 22.0
"""Seconds: two looks of 5 s, scrape and tick, and the warm-up of 5 s."""
_RETRY = 8.0  # seconds between two attempts of a rollback at most, and two ticks
_SLACK = 6.0  # seconds
_DYING = 0.9  # share of its requests that a canary fails which fails nearly everything
_LEAST = 1.0  # requests of the canary in a second, from which on its failures show in time
_BASED = 300  # requests of the canary, from which on the true shares say something


class HarmIsShown(Invariant):
    """A rollback has harm, a person, an expired time or a blind budget as its reason, and truly."""

    code = "I4"
    text = "a rollback needs harm, a person or an expired time; lost metrics are no harm"

    def on_decision(self, trace: RolloutTrace, fact: Decided) -> None:
        if fact.action != "roll back":
            return
        code, subject = split_reason(fact.reasons[0])
        if code == "harmful":
            self._check_harm(trace, subject)
        elif code == "human":
            self._check_person(trace, subject)
        elif code == "blind-too-long":
            self._check_blind(trace)
        elif code in {"inconclusive", "used-up"}:
            if trace.plan.spec.when_inconclusive != "rollback":
                self.break_("rolled back as inconclusive, which the plan does not ask for")
            self._check_lived(trace, "started", trace.plan.spec.deadline)
        elif code == "patience-over":
            self._check_lived(trace, "pause", trace.plan.spec.patience)
        elif code in {"not-better", "worse"}:
            self._check_lost(trace, fact)
        else:
            self.break_(f"rolled back for {fact.reasons[0]}")

    def _check_lost(self, trace: RolloutTrace, fact: Decided) -> None:
        goals = fact.numbers.get("goals", {}).values()
        conclusions = {goal["conclusion"] for goal in goals}
        has_won = "better" in conclusions and "worse" not in conclusions
        if trace.plan.spec.experiment is None or has_won:
            self.break_(f"rolled back for {fact.reasons[0]}, and its goals are {conclusions}")

    def _check_lived(self, trace: RolloutTrace, since: str, needed: float) -> None:
        """Check that a time was over by the hours in which a controller really ran."""
        if self.chronicle.trusts_wall_clock:
            return
        began = trace.lived_at
        if since == "pause":
            pauses = [lived for lived, act in trace.lived if act == "pause"]
            began = pauses[0] if pauses else began
        lived = self.world.lived - began
        # At its start a process asks the wall clock for the time since the newest entry.
        starts = sum(process.deaths for process in self.world.processes)
        slack = LONGEST_GAP * starts if self.chronicle.has_any("clock") else 0.0
        if lived < needed - _SLACK - slack - self.chronicle.frozen_in_looks:
            self.break_(f"{needed:.0f} s were over after {lived:.0f} s")

    def _check_harm(self, trace: RolloutTrace, subject: str) -> None:
        traffic = self.chronicle.traffic(trace)
        served, failed = traffic.served[CANARY], traffic.failed[CANARY]
        needed = -log10(trace.plan.spec.confidence.false_rollback)
        joint = trace.decisions[-1][2].numbers.get("joint") or 0.0
        if subject != "crash" and joint < needed - 1e-4:
            self.break_(f"rolled back for {subject} with 10^{joint:.2f} of 10^{needed:.2f}")
        if traffic.kind == "perfect" and not failed:
            self.break_(f"rolled back for {subject}, and the canary has failed nothing of {served}")
        if subject == PREFERRED:
            self.break_("rolled back for pairs, of which each version wins a half")
        if subject == QUALITY and trace.plan.spec.guardrails[1].labels.judge is not None:
            self._check_judged(traffic)
        has_shared = self.chronicle.has_any("errors", "down", "sick")
        if subject != "errors" or has_shared or traffic.kind not in {"same", "perfect"}:
            return
        stable = traffic.failed[STABLE] / max(traffic.served[STABLE], 1)
        if served > _BASED and failed / served < stable + 0.005:
            self.break_(f"rolled back for errors: {failed / served:.2%} of {served}, {stable:.2%}")

    def _check_judged(self, traffic: ServiceTraffic) -> None:
        """Check that a judge's change was not taken for the canary's harm."""
        if traffic.bad_judged <= 1:
            self.break_("rolled back for quality, and the judge calls as much of stable's bad")

    def _check_person(self, trace: RolloutTrace, subject: str) -> None:
        commands = {
            fact.command
            for fact in trace.disk.facts
            if isinstance(fact, HumanSaid) and fact.rollout == trace.rollout
        }
        if subject not in commands and "abandon" not in commands:
            self.break_(f"rolled back for a person's {subject}, and nobody said that")

    def _check_blind(self, trace: RolloutTrace) -> None:
        policy = trace.plan.spec.when_blind
        if policy.then != "rollback":
            self.break_("rolled back as blind, which the plan does not ask for")


class IsTimely(Invariant):
    """A canary that fails nearly everything has weight 0 within two looks."""

    code = "I17"
    text = "a canary that fails is at weight 0 within scrape, look and push"

    def __init__(self, chronicle: Chronicle) -> None:
        super().__init__(chronicle)
        self._since: dict[str, float] = {}
        self._looked_at = self.world.now

    def after_step(self) -> None:
        before, self._looked_at = self._looked_at, self.world.now
        if self.chronicle.is_delayed or self.chronicle.trusts_wall_clock:
            return
        if self.world.setting.traffic != "weights":
            return
        for service, traffic in self.world.traffics.items():
            self._check(service, traffic, before)

    def _check(self, service: str, traffic: ServiceTraffic, before: float) -> None:
        """Check how long a canary has failed; a step may hold a tick of half a minute."""
        is_dying, failures = self._is_dying(service, traffic), traffic.find_failures(CANARY, before)
        is_back = not is_dying and bool(failures) and self._was_dying(service, traffic)
        if not (is_dying or is_back):
            self._since.pop(service, None)
            return
        first, last = failures or (self.world.now, self.world.now)
        since, until = self._since.setdefault(service, first), last if is_back else self.world.now
        if until - since > _WITHIN + self._may_wait(since):
            self._since[service] = float("inf")
            self.break_(f"the canary fails for {until - since:.0f} s at {traffic.share():.0%}")

    def _was_dying(self, service: str, traffic: ServiceTraffic) -> bool:
        """Return whether a canary that fails was rolled back by us, since the last step."""
        traces = [t for t in self.chronicle.traces.values() if t.service == service]
        is_ours = bool(traces) and not self.world.touched
        return is_ours and traffic.errors(CANARY) >= _DYING and traces[-1].is_rolled_back

    def _may_wait(self, since: float) -> float:
        """Return the seconds that a rollback may wait for other rollouts' servers that hang."""
        hanging = self.world.hanging
        if hanging.since is None:
            return 0.0
        is_new = hanging.since > since - NEW
        return TURN + (FIRST if is_new else 0.0)

    def _is_dying(self, service: str, traffic: ServiceTraffic) -> bool:
        """Return whether the canary fails, has traffic by our own writes, and is not promoted."""
        if traffic.errors(CANARY) < _DYING or traffic.share() * traffic.rate < _LEAST:
            return False
        traces = [t for t in self.chronicle.traces.values() if t.service == service]
        ours = [t.last for t in traces if t.last is not None]
        return (
            bool(ours)
            and all(last.action not in {"promote", "undo"} for last in ours)
            and any(last.split.canary for last in ours)
        )


class RollsBackAtOnce(Invariant):
    """A rollback is tried in the tick that decides it, and written once the mesh can be reached."""

    code = "I17"
    text = "a recorded rollback is tried at once, and written as soon as the mesh can be reached"

    def __init__(self, chronicle: Chronicle) -> None:
        super().__init__(chronicle)
        self._untried: list[tuple[SimulatedProcess, int, int]] = []

    def on_decision(self, trace: RolloutTrace, fact: Decided) -> None:
        holder = trace.disk.holder
        process = next((p for p in self.world.processes if p.name == holder), None)
        live = self.world.api.objects.get(self.world.find_key(trace.service))
        # A weight that a hand gave is not ours to take; without its mark nobody can tell.
        is_known = not {"weights", "notes"} & self.world.touched and self._is_ours(trace)
        is_lost = self.world.was_restored and not (live and read_mark(live))
        is_asked = is_known and not is_lost and bool(read_shares(live).canary)
        is_asked = is_asked and not trace.disk.has("unclear")
        # A tick ends after 15 s of waiting for one mesh: the next one begins with the rollback.
        is_asked = is_asked and not self._may_be_late(trace.service)
        is_asked = is_asked and not self.world.api.has("hangs")
        if fact.action == "roll back" and process and is_asked:
            self._untried.append((process, process.deaths, len(process.effects)))

    def after_step(self) -> None:
        for process, deaths, count in self._untried:
            has_lost = process.deaths != deaths or not (process.is_awake() and process.leads())
            if not has_lost and not {"get", "patch"} & {*process.effects[count:]}:
                self.break_("a rollback was decided, and the mesh was not asked in the same tick")
        self._untried.clear()
        self._check_written()

    def _check_written(self) -> None:
        world, since = self.world, self.chronicle.well_since
        if since is None or world.touched:
            return
        for trace in self.chronicle.traces.values():
            backs = [at for at, _, fact in trace.decisions if fact.action == "roll back"]
            if not backs or world.now - max(since, backs[-1]) < _RETRY:
                continue
            if self._may_be_late(trace.service):
                continue
            if trace.last is None or trace.last.action != "roll back" or self._is_over(trace):
                continue
            share = read_shares(world.api.objects.get(world.find_key(trace.service))).canary
            if share and trace.decisions and self._is_ours(trace):
                self.break_(f"a rollback is not written, the canary has {share:.0%}")

    def _may_be_late(self, service: str) -> bool:
        """Return whether a service's own mesh hangs or did so a moment ago: it has turns."""
        since = self.world.hanging.since
        return service in NEIGHBOURS and since is not None

    def _is_over(self, trace: RolloutTrace) -> bool:
        """Return whether another rollout of the service has begun, or a person ended it unseen."""
        others = [t for t in self.chronicle.traces.values() if t.service == trace.service]
        return any(other.began_at > trace.began_at for other in others) or any(
            isinstance(fact, Confirmed) and fact.unreachable and fact.rollout == trace.rollout
            for fact in trace.disk.facts
        )

    def _is_ours(self, trace: RolloutTrace) -> bool:
        return any(fact.split.canary for _, _, fact in trace.decisions)
