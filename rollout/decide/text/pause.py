"""Text about a pause: its cause, from the codes of the decision that began it."""

from __future__ import annotations

from rollout.decide.record.reasons import Reason, split_reason
from rollout.decide.state.rollout import RolloutState
from rollout.decide.text.numbers import join

_CAUSES: dict[str, str] = {
    Reason.BLIND_TOO_LONG: "no data for {} for too long",
    Reason.DRIFT: "somebody else changed the mesh",
    Reason.HOOK_FAILED: "the hook {} failed",
    Reason.HUMAN: "a person asked for it",
    Reason.INCONCLUSIVE: "there was no proof by the deadline",
    Reason.NO_VALID_TEST: "there is no valid test for {}",
    Reason.ROUTE_REFUSED: "the mesh refused a change",
    Reason.USED_UP: "every sample from before the switch is used up",
}


def describe_pause(state: RolloutState) -> str:
    """Describe why the rollout is paused: `, because ...`; empty where that is unknown.

    The cause is named by the code of the pause's reasons: a recorded sentence is never parsed.
    """
    reasons = [split_reason(reason) for reason in state.pause.reasons] if state.pause else []
    causes = {code: [name for other, name in reasons if other == code] for code, _ in reasons}
    texts = [_CAUSES[code].format(join(names)) for code, names in causes.items() if code in _CAUSES]
    return f", because {join(texts)}" if texts else ""
