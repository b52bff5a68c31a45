"""What the entries of a journal are about: its rollouts, their names, whether they have ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from rollout.decide.record.facts import Confirmed, Decided, Started, of_rollout
from rollout.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rollout.ports import Entry

_NO_MOVE = ("hold", "pause", "resume")  # a hold may stand between a rollback and its confirmation
End = Literal["promote", "roll back", "undo"]


def by_rollout(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Entries by rollout id, in the order of their first entries; each list in journal order."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        if of_rollout(entry.fact):
            groups.setdefault(entry.fact.rollout, []).append(entry)
    return groups


def names(entries: Iterable[Entry]) -> dict[str, str]:
    """Plan names by rollout id, the latest started last."""
    found: dict[str, str] = {}
    for entry in entries:
        if isinstance(entry.fact, Started):
            found.pop(entry.fact.rollout, None)
            found[entry.fact.rollout] = plan_name(entry.fact)
    return found


def plan_name(started: Started) -> str:
    """The name that the user gave the plan; the rollout id where the document has none."""
    metadata = started.plan.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else started.rollout


def matching(known: Mapping[str, str], name: str) -> list[str]:
    """Rollout ids, of those in `names`, that a plan's name or an id stands for; the latest last.

    Raises InputError, which lists the known names.
    """
    ids = [rollout for rollout, plan in known.items() if name in (rollout, plan)]
    if not ids:
        listed = ", ".join(sorted(set(known.values()))) or "none yet"
        raise InputError(f"no rollout is called {name!r} (known: {listed})")
    return ids


def end_of(entries: Iterable[Entry]) -> End | None:
    """How one rollout ended: by its last move, once confirmed; None while it goes on."""
    decided: Decided | None = None
    seq, confirmed = 0, False
    for entry in entries:
        if isinstance(entry.fact, Decided) and entry.fact.action not in _NO_MOVE:
            decided, seq, confirmed = entry.fact, entry.seq, False
        elif isinstance(entry.fact, Confirmed) and entry.fact.decision == seq:
            confirmed = True
    if decided and confirmed and decided.action in ("promote", "roll back", "undo"):
        return decided.action
    return None
