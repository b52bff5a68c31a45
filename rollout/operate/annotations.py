"""Commands by annotation on a RolloutPlan: `surefoot.dev/undo`, `retry`, `confirm` and so on."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from rollout.decide.record.facts import Fact, HumanSaid
from rollout.kube.kinds import Json
from rollout.redact import redact_values
from rollout.tick.attempts import Again, OldVersionCheck, cannot_apply, facts_for
from rollout.tick.fleet import Fleet

Word = tuple[str, str]  # key of the annotation and text

ACTOR = "kubernetes"
LIMIT = 200  # characters of an annotation's text that the journal stores
_COMMANDS: Mapping[str, Again] = {
    "undo": "undo",
    "force-undo": "undo",
    "retry": "retry",
    "confirm": "confirm",
}


def requested_command(resource: Json, recorded: Collection[Word]) -> Word | None:
    """Return the first command on a resource that is not among the recorded ones.

    Each text counts once per plan name, even when the resource is edited or created again: to
    repeat a command, the user writes another text. Otherwise `kubectl apply` of the same manifest
    would undo or retry a second time.
    """
    annotations = resource["metadata"].get("annotations") or {}
    for key in _COMMANDS:
        # Cut as it is recorded: a longer text would never equal its recorded form, and the
        # command would run at every tick.
        text = str(annotations.get(f"surefoot.dev/{key}", "")).strip()[:LIMIT]
        cleaned = redact_values(text)
        # Older versions recorded it as it is.
        if cleaned and {(key, text), (key, cleaned)}.isdisjoint(recorded):
            return key, cleaned
    return None


def word_of(fact: Fact) -> Word | None:
    """Return the annotation command that a fact records; None for every other fact."""
    if isinstance(fact, HumanSaid) and fact.actor == ACTOR and fact.command in _COMMANDS:
        return f"force-{fact.command}" if fact.forced else fact.command, fact.reason
    return None


def facts_for_annotation(
    fleet: Fleet,
    rollout: str,
    word: Word,
    *,
    at: float,
    controller: str,
    check: OldVersionCheck | None = None,
) -> list[Fact]:
    """Return the facts to record for a command.

    A command that does not apply now is recorded alone, without effect: it must not run later,
    when nobody expects it. Raises InputError where a new attempt may not begin yet, or `check` says
    why the old version cannot answer; the command is then not recorded and is tried again at the
    next tick.
    """
    key, text = word
    command, is_forced = _COMMANDS[key], key.startswith("force-")
    request = HumanSaid(
        rollout=rollout, at=at, command=command, actor=ACTOR, reason=text, forced=is_forced
    )
    if cannot_apply(fleet, command, rollout):
        return [request]
    return facts_for(fleet, request, controller, check)
