"""A journal's newest signed checkpoint as an annotation of an object that somebody else keeps.

It is written for the version of the object that was read, and only over a checkpoint that the
journal has grown from: whoever cut a journal off, or wrote it anew, does not replace the evidence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from rollout.checkpoint import note
from rollout.checkpoint.note import Checkpoint
from rollout.errors import ClusterError, InputError, JournalError
from rollout.kube.kinds import CONFIG_MAP, ROLLOUT_PLAN, Json, Kind

KEY = "surefoot.dev/checkpoint"
_KINDS = {kind.name.lower(): kind for kind in (CONFIG_MAP, ROLLOUT_PLAN)}
_TRIES = 4  # others edit the object as well
_CONFLICT = 409


class AnnotatedObjects(Protocol):
    """The API server, as far as this needs it. Every method raises ClusterError."""

    def get(self, kind: Kind, namespace: str, name: str) -> Json: ...

    def patch(self, kind: Kind, namespace: str, name: str, body: Json) -> Json: ...


@dataclass(frozen=True)
class AnnotatedObject:
    """The object that carries the annotation."""

    kind: Kind
    namespace: str
    name: str


def parse_object(text: str, namespace: str) -> AnnotatedObject:
    """Return the object of `KIND/NAME`. Raises InputError."""
    kind, _, name = text.partition("/")
    if kind.lower() not in _KINDS or not name or "/" in name:
        kinds = " or ".join(f"{own}/NAME" for own in _KINDS)
        raise InputError(f"a checkpoint is an annotation of {kinds}, not of {text}")
    return AnnotatedObject(_KINDS[kind.lower()], namespace, name)


def read_checkpoint(live: Json) -> Checkpoint | None:
    """Return the checkpoint that an object carries, whoever signed it. Raises JournalError."""
    text = (live["metadata"].get("annotations") or {}).get(KEY)
    if text is None:
        return None
    checkpoints = list(note.parse(str(text)))
    if len(checkpoints) != 1:
        raise JournalError(f"the annotation {KEY} is not one signed checkpoint")
    return checkpoints[0].checkpoint


def build_patch(live: Json, signed: str) -> Json:
    """Return a merge patch that writes the signed note, for this version of the object only."""
    version = live["metadata"]["resourceVersion"]
    return {"metadata": {"resourceVersion": version, "annotations": {KEY: signed}}}


def check_grown(
    before: Checkpoint | None, now: Checkpoint, root_of: Callable[[int], bytes]
) -> None:
    """Raise JournalError unless what is signed now is the journal of `before`, or one after it.

    `root_of` has the root of the first N entries. A checkpoint of another key's name is another
    chain's, and is replaced.
    """
    if before is None or before.origin != now.origin:
        return
    if before.size > now.size:
        raise JournalError(
            f"the annotation was signed over {before.size:,} entries, and the journal has "
            f"{now.size:,}: newer ones were cut off, or it is another journal; it stays as it is"
        )
    if root_of(before.size) != before.root:
        raise JournalError(
            f"the annotation was signed over other entries: among the first {before.size:,} some "
            "were written anew, or it is another journal; it stays as it is"
        )


def annotate(
    objects: AnnotatedObjects,
    where: AnnotatedObject,
    signed: str,
    root_of: Callable[[int], bytes],
) -> None:
    """Write the signed note. Raises ClusterError, and JournalError where another one stays."""
    (own,) = note.parse(signed)
    address = where.kind, where.namespace, where.name
    for left in reversed(range(_TRIES)):
        live = objects.get(*address)
        check_grown(read_checkpoint(live), own.checkpoint, root_of)
        try:
            objects.patch(*address, build_patch(live, signed))
        except ClusterError as error:
            if error.status != _CONFLICT or not left:
                raise
        else:
            return
