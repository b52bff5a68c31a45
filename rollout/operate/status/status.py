"""Computes the status of a RolloutPlan from its rollout's state."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from rollout.decide.record.facts import Decided
from rollout.decide.record.split import Split
from rollout.decide.rules.view import View, view
from rollout.decide.state.hooks import describe_hooks
from rollout.decide.state.rollout import RolloutState
from rollout.decide.text.comparison import format_split
from rollout.kube.kinds import Json
from rollout.operate.status.conditions import PlanAcceptance, dated, of_reading, of_rollout, utc
from rollout.plan.kube.status import Decision, GuardrailStatus, HookStatus, Sealed, Status, Verdict
from rollout.ports import Entry

_WORST: tuple[Verdict, ...] = ("harmful", "blind", "undecided", "safe", "shown")  # worst first


def without_rollout(resource: Json, reading: PlanAcceptance, now: float) -> Json:
    """Return the status of a plan that has no rollout in the journal.

    A rollout that the resource already shows stays in its status: the journal may be lost, and
    then this is the only record of where the traffic is.
    """
    generation = resource["metadata"].get("generation", 0)
    before = _read_conditions(resource)
    conditions = dated(of_reading(reading), before, generation, now)
    fields = {"observedGeneration": generation, "phase": "refused", "conditions": conditions}
    status = Status.model_validate(fields).document()
    shown_status = resource.get("status") or {}
    if "rollout" not in shown_status:
        return status
    others = [old for old in before if old["type"] not in {"Accepted", "Pending"}]
    conditions = status["conditions"] + others
    return {**shown_status, **status, "phase": shown_status["phase"], "conditions": conditions}


@dataclass(frozen=True)
class RolloutStory:
    """A rollout's state with the journal entries that its status refers to."""

    rollout: str
    state: RolloutState
    newest: Entry  # of all entries but observations
    decided: Entry | None = None  # the newest decision
    moved: Entry | None = None  # the newest one that is no hold

    @property
    def explanation(self) -> Entry | None:
        """The decision that explains where the rollout stands."""
        is_moved = self.moved is not None and self.moved.fact == self.state.explanation
        return self.moved if is_moved else self.decided


def with_rollout(
    resource: Json,
    reading: PlanAcceptance,
    story: RolloutStory,
    now: float,
    stable: str | None = None,
) -> Json:
    """Return the status of a plan that has a rollout, as of `now`.

    The verdicts of an ended rollout are those at its last look: by time alone it would become
    blind. If the state has no evidence, the verdicts are those that the resource shows: see
    `is_told`.
    """
    state = story.state
    generation = resource["metadata"].get("generation", 0)
    at = state.looked_at or now if state.is_terminal else now
    current = view(state, at) if state.guardrails else None
    # Both are text of the same format, in UTC, so they sort by time.
    over = state.is_terminal and utc(state.delivery.confirmed_at or now) < _read_creation_time(
        resource
    )
    conditions = [*of_reading(reading, over=over), *of_rollout(state, current)]
    guardrails = _list_guardrails(current) if current else _read_guardrails(resource)
    status = Status.model_validate(
        {
            "observedGeneration": generation,
            "rollout": story.rollout,
            "phase": state.phase,
            "weight": _format_share(state.live),
            "wanted": _format_share(state.wanted),
            "verdict": min((item.verdict for item in guardrails), key=_WORST.index),
            "stable": stable,
            "guardrails": guardrails,
            "hooks": [HookStatus(name=n, state=s, problem=p) for n, s, p in describe_hooks(state)]
            or None,
            "decision": _describe_decision(story.explanation),
            "journal": Sealed(entry=story.newest.seq, hash=story.newest.hash),
            "conditions": dated(conditions, _read_conditions(resource), generation, now),
        }
    )
    return status.document()


def is_told(resource: Json, story: RolloutStory) -> bool:
    """Tell whether a resource already shows an ended rollout completely.

    An ended rollout is not observed any more, so its shown verdicts stay true for ever.
    """
    status = resource.get("status") or {}
    sealed = {"entry": story.newest.seq, "hash": story.newest.hash}
    same = (status.get("rollout"), status.get("journal")) == (story.rollout, sealed)
    return story.state.is_terminal and same and bool(_read_guardrails(resource))


def _read_conditions(resource: Json) -> list[Json]:
    return list((resource.get("status") or {}).get("conditions") or [])


def _read_creation_time(resource: Json) -> str:
    """Return the resource's creation timestamp as text; empty if it has none."""
    return str(resource["metadata"].get("creationTimestamp") or "")


def _read_guardrails(resource: Json) -> list[GuardrailStatus]:
    """Return the guardrails in a resource's status; none if we did not write them."""
    guardrails = (resource.get("status") or {}).get("guardrails") or []
    try:
        return [GuardrailStatus.model_validate(item) for item in guardrails]
    except ValidationError:
        return []


def _list_guardrails(current: View) -> list[GuardrailStatus]:
    verdicts = current.judgement.verdicts.items()
    return [GuardrailStatus(name=n, verdict=v.kind, reason=v.reason or "") for n, v in verdicts]


def _describe_decision(entry: Entry | None) -> Decision | None:
    if entry is None or not isinstance(entry.fact, Decided):
        return None
    fact = entry.fact
    return Decision(id=entry.seq, at=utc(fact.at), action=fact.action, sentence=fact.sentence)


def _format_share(split: Split) -> str:
    """Format a split for `kubectl get`: `5%`, `5% of the segment`, `copies of 5%`."""
    return format_split(split).replace(" %", "%")
