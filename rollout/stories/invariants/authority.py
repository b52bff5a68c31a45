"""What a plan's authority does not allow is neither decided nor written."""

from __future__ import annotations

from rollout.decide.record.facts import Action, Decided, HumanSaid
from rollout.decide.record.reasons import split_reason
from rollout.stories.invariants.base import Invariant, RolloutTrace
from rollout.stories.world.apiserver import AcceptedWrite
from rollout.stories.world.routes import read_shares

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
