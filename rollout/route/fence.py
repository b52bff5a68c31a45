"""Check that this controller still leads, right before every write to a mesh.

The check is part of what writes: an object of a cluster, or a file of an Envoy. So it comes before
each write, whatever is written: weights, a policy, or an object that is created.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rollout.decide.record.split import Split
from rollout.decide.record.write_id import find_rollout
from rollout.errors import StaleError
from rollout.kube.kinds import Json, Kind
from rollout.route.envoy.watched import replace
from rollout.route.kube.objects import Applied

Fence = Callable[[], None]
"""Raises StaleError if this controller no longer leads, SurefootError if that is unknown."""


@dataclass(frozen=True)
class FencedObjects:
    """Cluster objects that check the fence before each patch and each apply.

    A patch names the resourceVersion that was read, and that read happened before the check. So a
    controller that takes over and writes after the check creates a newer version, and our patch
    conflicts; a takeover before the check fails the check.
    """

    objects: Applied
    fence: Fence

    def get(self, kind: Kind, namespace: str, name: str) -> Json:
        """See rollout.route.kube.objects.Objects."""
        return self.objects.get(kind, namespace, name)

    def patch(
        self, kind: Kind, namespace: str, name: str, body: Json, *, dry: bool = False
    ) -> Json:
        """See rollout.route.kube.objects.Objects. Raises what the fence raises."""
        self.fence()
        return self.objects.patch(kind, namespace, name, body, dry=dry)

    def apply(self, kind: Kind, namespace: str, body: Json) -> None:
        """See rollout.route.kube.objects.Applied. Raises what the fence raises."""
        self.fence()
        self.objects.apply(kind, namespace, body)


@dataclass(frozen=True)
class FencedFiles:
    """Files of an Envoy that check the fence before each is replaced.

    A file has no version, so a takeover between the check and the replacement is not noticed.
    """

    fence: Fence

    def replace(self, file: Path, manifest: Json) -> None:
        """Replace a file atomically. Raises RouteError, and what the fence raises."""
        self.fence()
        replace(file, manifest)


@contextmanager
def name_refused_split(split: Split, write_id: str) -> Iterator[None]:
    """Add the refused split to the error of a fence that stops one of its writes."""
    try:
        yield
    except StaleError as error:
        message = f"{split.share * 100:.4g}% canary (decision {write_id}) refused: {error}"
        raise StaleError(message, find_rollout(write_id)) from None
