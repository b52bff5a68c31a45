"""What a resource shows of its rollout: its status, made of the state and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from rollout.decide.record.facts import Decided
from rollout.decide.record.split import Split
from rollout.decide.rules.view import View, view
from rollout.decide.state.hooks import told
from rollout.decide.state.rollout import RolloutState
from rollout.decide.text.comparison import shown
from rollout.kube.kinds import Json
from rollout.operate.status.conditions import PlanAcceptance, dated, of_reading, of_rollout, utc
from rollout.plan.kube.status import Decision, GuardrailStatus, HookStatus, Sealed, Status, Verdict
from rollout.ports import Entry

_WORST: tuple[Verdict, ...] = ("harmful", "blind", "undecided", "safe")


def without_rollout(resource: Json, reading: PlanAcceptance, now: float) -> Json:
    """The status of a plan whose rollout is in no journal: what was told of one before, is kept."""
    generation = resource["metadata"].get("generation", 0)
    before = _conditions(resource)
    conditions = dated(of_reading(reading), before, generation, now)
    made = {"observedGeneration": generation, "phase": "refused", "conditions": conditions}
    status = Status.model_validate(made).document()
    told = resource.get("status") or {}
    if "rollout" not in told:
        return status
    others = [each for each in before if each["type"] not in {"Accepted", "Pending"}]
    return {**told, **status, "phase": told["phase"], "conditions": status["conditions"] + others}


@dataclass(frozen=True)
class Story:
    """A rollout as the journal tells it: its state, its newest entry, observations aside, and its
    newest decision's.
    """

    rollout: str
    state: RolloutState
    newest: Entry
    decided: Entry | None = None


def with_rollout(
    resource: Json, reading: PlanAcceptance, story: Story, now: float, stable: str | None = None
) -> Json:
    """The status of a plan with a rollout, as it is at `now`; an ended one's, at its last look.

    Without evidence in the state its verdicts are those that the resource shows: see `is_told`.
    """
    state = story.state
    generation = resource["metadata"].get("generation", 0)
    at = state.looked_at or now if state.terminal else now
    seen = view(state, at) if state.gauges else None
    over = state.terminal and utc(state.confirmed_at or now) < _made(resource)
    holds = [*of_reading(reading, over=over), *of_rollout(state, seen)]
    guardrails = _guardrails(seen) if seen else _told_guardrails(resource)
    made = Status.model_validate(
        {
            "observedGeneration": generation,
            "rollout": story.rollout,
            "phase": state.phase,
            "weight": _share(state.split),
            "wanted": _share(state.wanted),
            "verdict": min((each.verdict for each in guardrails), key=_WORST.index),
            "stable": stable,
            "guardrails": guardrails,
            "hooks": [HookStatus(name=n, state=s, problem=p) for n, s, p in told(state)] or None,
            "decision": _decision(story.decided),
            "journal": Sealed(entry=story.newest.seq, hash=story.newest.hash),
            "conditions": dated(holds, _conditions(resource), generation, now),
        }
    )
    return made.document()


def is_told(resource: Json, story: Story) -> bool:
    """Whether a resource shows a rollout as it is: of an end no further look is taken."""
    told = resource.get("status") or {}
    sealed = {"entry": story.newest.seq, "hash": story.newest.hash}
    same = (told.get("rollout"), told.get("journal")) == (story.rollout, sealed)
    return story.state.terminal and same and bool(_told_guardrails(resource))


def _conditions(resource: Json) -> list[Json]:
    return list((resource.get("status") or {}).get("conditions") or [])


def _made(resource: Json) -> str:
    """When the resource was made, as the API server writes it; empty if it does not say."""
    return str(resource["metadata"].get("creationTimestamp") or "")


def _told_guardrails(resource: Json) -> list[GuardrailStatus]:
    """What a resource shows of them; nothing where that is not ours."""
    told = (resource.get("status") or {}).get("guardrails") or []
    try:
        return [GuardrailStatus.model_validate(each) for each in told]
    except ValidationError:
        return []


def _guardrails(seen: View) -> list[GuardrailStatus]:
    verdicts = seen.judgement.verdicts.items()
    return [GuardrailStatus(name=n, verdict=v.kind, reason=v.reason or "") for n, v in verdicts]


def _decision(entry: Entry | None) -> Decision | None:
    if entry is None or not isinstance(entry.fact, Decided):
        return None
    fact = entry.fact
    return Decision(id=entry.seq, at=utc(fact.at), action=fact.action, sentence=fact.sentence)


def _share(split: Split) -> str:
    """What a column shows of a split: `5%`, `5% of the segment`, `copies of 5%`."""
    return shown(split).replace(" %", "%")
