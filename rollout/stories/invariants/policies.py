"""A plan's policy: in force before the canary's first request, and gone with a rollback."""

from __future__ import annotations

from rollout.answers.json_text import copy_json
from rollout.kube.kinds import Json
from rollout.route.kube.object_annotations import POLICY
from rollout.stories.invariants.base import Invariant
from rollout.stories.setting import POLICY_OF_PLAN, SERVICE
from rollout.stories.world.apiserver import AcceptedWrite, dump
from rollout.stories.world.routes import RULES, read_shares

_ERRORS = POLICY_OF_PLAN["outliers"]["consecutiveErrors"]


class PoliciesGo(Invariant):
    """The policy comes before traffic, and its object is people's own again after a rollback."""

    code = "policy"
    text = "a policy is in force before the canary's first request, and goes with a rollback"

    def on_write(self, write: AcceptedWrite) -> None:
        """Check that a first share is given to the canary under the policy."""
        is_first = read_shares(write.after).canary > 0 and not read_shares(write.before).canary
        rule = self.world.api.objects.get((RULES, write.key[1]))
        if not is_first or not self._is_asked(write.key[1]) or rule is None:
            return
        traffic: Json = rule["spec"].get("trafficPolicy") or {}
        errors = (traffic.get("outlierDetection") or {}).get("consecutive5xxErrors")
        if errors != _ERRORS and "policy" not in self.world.touched:
            self.break_(f"the canary's first request, and the policy says {errors}")

    def at_end(self) -> None:
        """Check that nothing of a policy outlives its rollback, and nothing of people's is lost."""
        is_shared = len(self.world.disks) > 1 or self.world.was_restored
        if not self._is_asked(SERVICE) or is_shared:
            return
        states = self.chronicle.fold(self.world.disks[0]).states
        main = [state for state in states.values() if state.plan.spec.service == SERVICE]
        live = self.world.api.objects.get((RULES, SERVICE))
        plain = self.world.api.plain.get((RULES, SERVICE))
        has_gone = bool(main) and all(state.is_terminal for state in main)
        is_given_up = any(state.is_unreached or state.phase == "promoted" for state in main)
        if not has_gone or is_given_up or live is None or plain is None:
            return
        notes = (live.get("metadata") or {}).get("annotations") or {}
        if POLICY + SERVICE in notes:
            self.break_("a policy's note outlives its rollback")
        now, before = (self._read_rule(body) for body in (live, plain))
        if now != before:
            self.break_(f"the rule is {now} after a rollback, and was {before}")

    def _read_rule(self, body: Json) -> str:
        """Return what a rule says, without an edit that the plan wants to be written over."""
        spec = copy_json(body["spec"])
        if self.world.setting.drift == "revert" and "policy" in self.world.touched:
            spec["trafficPolicy"]["outlierDetection"].pop("consecutive5xxErrors", None)
        return dump({"spec": spec})

    def _is_asked(self, service: str) -> bool:
        setting = self.world.setting
        return service == SERVICE and setting.policy == "yes" and setting.mesh == "istio"
