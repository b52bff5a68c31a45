"""The rollouts in a journal: their entries, their names, and how they ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from rollout.decide.record.facts import Decided, Started, of_rollout
from rollout.decide.record.route_facts import Confirmed, Followed
from rollout.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rollout.ports import Entry

_NO_MOVE = ("hold", "resume")  # a hold may stand between a rollback and its confirmation
_MOST_NAMES = 20  # in a message
End = Literal["promote", "roll back", "undo", "end"]


def by_rollout(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Group entries by rollout id.

    Rollouts come in the order of their first entries, and the entries of each in journal order.
    """
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        if of_rollout(entry.fact):
            groups.setdefault(entry.fact.rollout, []).append(entry)
    return groups


def names(entries: Iterable[Entry]) -> dict[str, str]:
    """Plan names by rollout id; the rollout that started last comes last."""
    plan_names: dict[str, str] = {}
    for entry in entries:
        if isinstance(entry.fact, Started):
            plan_names.pop(entry.fact.rollout, None)  # started again: it moves to the end
            plan_names[entry.fact.rollout] = plan_name(entry.fact)
    return plan_names


def plan_name(started: Started) -> str:
    """The plan's own name, or the rollout id where the document has no name."""
    metadata = started.plan.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else started.rollout


def find_matching(plan_names: Mapping[str, str], name: str) -> list[str]:
    """Find the rollouts that a user means by a plan's name or a rollout id; the latest last.

    `plan_names` is what `names` returns.
    """
    return [rollout for rollout, plan in plan_names.items() if name in (rollout, plan)]


def matching(plan_names: Mapping[str, str], name: str) -> list[str]:
    """Find the same rollouts. Raises InputError, which lists the names, where there is none."""
    ids = find_matching(plan_names, name)
    if not ids:
        raise InputError(f"there is no rollout {name!r}; known: {list_newest(plan_names.values())}")
    return ids


def list_newest(listed: Iterable[str]) -> str:
    """Return names, the last of which are the newest, as a text that a terminal can hold."""
    every = [*dict.fromkeys(reversed([*listed]))]
    left_out = len(every) - _MOST_NAMES
    more = f" and {left_out:,} older ones" if left_out > 0 else ""
    return f"{', '.join(sorted(every[:_MOST_NAMES])) or 'none yet'}{more}"


def end_of(entries: Iterable[Entry]) -> End | None:
    """How one rollout ended, or None while it goes on.

    It ends with its last move, once the mesh has confirmed that move and no earlier one, and the
    traffic was followed where that had to be. A pause takes a promotion's end away.
    """
    decided: Decided | None = None
    seq, confirmed = 0, False
    for entry in entries:
        if isinstance(entry.fact, Decided) and entry.fact.action == "pause":
            decided = None
        elif isinstance(entry.fact, Decided) and entry.fact.action not in _NO_MOVE:
            decided, seq, confirmed = entry.fact, entry.seq, False
        elif isinstance(entry.fact, Confirmed) and entry.fact.decision == seq:
            confirmed = not entry.fact.follows
        elif isinstance(entry.fact, Followed):
            confirmed = True
    if decided and decided.action == "end":  # of an observation, which writes nothing
        return decided.action
    if decided and confirmed and decided.action in ("promote", "roll back", "undo"):
        return decided.action
    return None
