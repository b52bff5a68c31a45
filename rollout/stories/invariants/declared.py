"""What a plan's authority or experiment does not allow is neither decided nor written."""

from __future__ import annotations

from rollout.decide.record.facts import Action, Decided, HumanSaid, Observed
from rollout.decide.record.reasons import split_reason
from rollout.stories.invariants.base import Invariant, RolloutTrace
from rollout.stories.setting import STABLE
from rollout.stories.world.apiserver import AcceptedWrite
from rollout.stories.world.routes import read_shares

_EQUAL = 1e-3
_MAY: dict[str, frozenset[Action]] = {
    "observe": frozenset({"hold", "end"}),
    "abort-only": frozenset({"hold", "end", "roll back"}),
}


class AuthorityHolds(Invariant):
    """Who only observes writes nothing, or rollbacks alone, and says at each look what it would."""

    code = "authority"
    text = "less than full authority writes nothing that it does not allow"

    def on_write(self, write: AcceptedWrite) -> None:
        authority = self._find_authority(write.key[1])
        shares = read_shares(write.after)
        if authority == "observe":
            self.break_(f"observing, and written is {shares.canary:.0%}")
        if authority == "abort-only" and (shares.canary or shares.copied):
            self.break_(f"only rollbacks may be written, and written is {shares.canary:.0%}")

    def on_policy(self, write: AcceptedWrite) -> None:
        if self._find_authority(write.key[1]) == "observe":
            self.break_("observing, and a policy is written")

    def on_decision(self, trace: RolloutTrace, fact: Decided) -> None:
        authority = trace.plan.spec.authority
        allowed = _MAY.get(authority or "")
        if allowed is not None and fact.action not in allowed:
            self.break_(f"{fact.action}, and the authority is {authority}")
        is_told = fact.would is not None or trace.is_rolled_back
        if allowed is not None and fact.action != "roll back" and not is_told:
            self.break_(f"a {fact.action} does not say what would be done")
        is_own = split_reason(fact.reasons[0])[0] != "human"
        if authority == "advance" and fact.action == "promote" and is_own:
            self._check_asked(trace)

    def _check_asked(self, trace: RolloutTrace) -> None:
        """Check that a person has ended the pause in front of a promotion."""
        is_resumed = any(
            isinstance(fact, HumanSaid)
            and fact.command == "resume"
            and fact.rollout == trace.rollout
            for fact in trace.disk.facts
        )
        pauses = [fact for _, _, fact in trace.decisions if fact.action == "pause"]
        is_asked = bool(pauses) and "awaiting-person" in pauses[-1].reasons
        if not (is_resumed and is_asked) and not self.world.was_restored:
            self.break_("promoted without a person, and the authority is advance")

    def _find_authority(self, service: str) -> str | None:
        traces = [t for t in self.chronicle.traces.values() if t.service == service]
        return traces[-1].plan.spec.authority if traces else None


class ExperimentHolds(Invariant):
    """Shares move within floor and cap, not too often, and a canary that won nothing goes back."""

    code = "experiment"
    text = "an experiment's shares keep to its plan, and none but a winner is promoted"

    def on_decision(self, trace: RolloutTrace, fact: Decided) -> None:
        if fact.action == "reallocate":
            self._check_move(trace, fact)
        codes = [reason.partition(":")[0] for reason in fact.reasons]
        is_own = fact.action in {"promote", "hold back"} and codes[0] not in {"human", "held-back"}
        if trace.plan.spec.experiment is not None and is_own:
            self._check_winner(fact, codes)

    def _check_move(self, trace: RolloutTrace, fact: Decided) -> None:
        experiment = trace.plan.spec.experiment
        allocation = experiment.allocation if experiment else None
        if allocation is None:
            self.break_("shares were moved, and the plan has them fixed")
            return
        share = fact.split.share
        if not allocation.least - _EQUAL <= share <= allocation.most + _EQUAL:
            self.break_(f"the canary got {share:.0%}, not within floor and cap")
        if self._count_looks(trace, fact) < allocation.every and not self.world.was_restored:
            self.break_(f"moved again before {allocation.every} looks")

    def _count_looks(self, trace: RolloutTrace, fact: Decided) -> int:
        """Count the looks since the move before, or since the start."""
        looks = 0
        for earlier in reversed(trace.disk.facts):
            if earlier.rollout != trace.rollout or earlier is fact:
                continue
            if isinstance(earlier, Decided) and earlier.action == "reallocate":
                break
            looks += isinstance(earlier, Observed)
        return looks

    def _check_winner(self, fact: Decided, codes: list[str]) -> None:
        goals = fact.numbers.get("goals", {}).values()
        conclusions = [goal["conclusion"] for goal in goals]
        if "better" not in conclusions or "worse" in conclusions or "better" not in codes:
            self.break_(f"a {fact.action} over {STABLE}, and the goals are {conclusions}")
