"""Hooks are told after traffic is safe, and the first step waits for the one before it."""

from __future__ import annotations

from rollout.stories.invariants.base import Chronicle, Invariant
from rollout.stories.setting import SERVICE
from rollout.stories.world.apiserver import AcceptedWrite
from rollout.stories.world.routes import read_shares


class HooksComeLast(Invariant):
    """The hook of an end is called at that end, and no first weight without the hook before it."""

    code = "hooks"
    text = "hooks of an end come after traffic, the hook before comes before it"

    def __init__(self, chronicle: Chronicle) -> None:
        super().__init__(chronicle)
        self._heard = 0

    def on_write(self, write: AcceptedWrite) -> None:
        names = {call.url.rpartition("/")[2] for _, call in self.world.hook_calls}
        is_first = not read_shares(write.before).canary and read_shares(write.after).canary > 0
        is_asked = self.world.setting.hooks == "yes" and write.key[1] == SERVICE
        commanded = self.chronicle.has_any("promote")
        if is_asked and is_first and "before" not in names and not commanded:
            self.break_("the canary got weight before the hook before it was called")

    def after_step(self) -> None:
        for _, call in self.world.hook_calls[self._heard :]:
            name = call.url.rpartition("/")[2]
            share = read_shares(self.world.api.objects.get(self.world.key)).canary
            is_touched = bool(self.world.touched) or self.chronicle.has_any(
                "undo", "retry", "edit-plan"
            )
            is_touched = is_touched or self.world.setting.start != "stable"
            is_touched = is_touched or len(self.world.disks) > 1
            if name in {"promoted", "back"} and not is_touched and share != (name == "promoted"):
                self.break_(f"hook {name} was called at {share:.0%}")
            if name in {"promoted", "back"} and not self._has_ended(str(call.body["rollout"])):
                self.break_(f"hook {name} was called before the end")
        self._heard = len(self.world.hook_calls)

    def _has_ended(self, rollout: str) -> bool:
        """Return whether a journal has the end of a rollout."""
        is_end = ("confirmed", "followed")
        return self.world.was_restored or any(
            fact.rollout == rollout and getattr(fact, "stable", None) is not None
            for disk in self.world.disks
            for fact in disk.facts
            if fact.kind in is_end
        )
