"""A plan's annotations `surefoot.dev/undo` and `surefoot.dev/retry`: each text is heard once."""

from __future__ import annotations

from collections.abc import Collection

from rollout.decide.record.facts import Fact, HumanSaid
from rollout.kube.kinds import Json
from rollout.tick.attempts import Again, cannot_apply, facts_for
from rollout.tick.fleet import Fleet

Word = tuple[str, str]  # command and text

ACTOR = "kubernetes"
LIMIT = 200  # letters of free text in the journal
_COMMANDS: tuple[Again, ...] = ("undo", "retry")


def requested_command(resource: Json, told: Collection[Word]) -> tuple[Again, str] | None:
    """The first word on a resource that the journal does not hold yet.

    A text counts once for its plan's name, whatever becomes of the resource: another text asks
    anew, the same one on a plan that is edited or created again does not.
    """
    annotations = resource["metadata"].get("annotations") or {}
    for command in _COMMANDS:
        text = str(annotations.get(f"surefoot.dev/{command}", "")).strip()[:LIMIT]
        if text and (command, text) not in told:
            return command, text
    return None


def word_of(fact: Fact) -> Word | None:
    """The word that a fact has answered; None for every other fact."""
    if isinstance(fact, HumanSaid) and fact.actor == ACTOR and fact.command in _COMMANDS:
        return fact.command, fact.reason
    return None


def facts_for_annotation(
    fleet: Fleet, rollout: str, word: tuple[Again, str], *, at: float, controller: str
) -> list[Fact]:
    """What is recorded: the word alone where it makes no sense now, so that it is over with.

    Raises InputError where a new attempt may not begin yet: the word is kept for then.
    """
    command, text = word
    said = HumanSaid(rollout=rollout, at=at, command=command, actor=ACTOR, reason=text)
    if cannot_apply(fleet, command, rollout):
        return [said]
    return facts_for(fleet, said, controller)
