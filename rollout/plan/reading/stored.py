"""Passes over what an API server and its tools keep in a resource beside what its user declares.

So what `kubectl get -o yaml` prints is read as the file that was applied.
"""

from __future__ import annotations

from typing import Any

METADATA = (
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
)
"""Keys of a resource's metadata beside its name and namespace. Source: ObjectMeta, core/v1."""

STATUS = "status"


def drop_stored(data: Any) -> Any:
    """Return a document's data without status and without such metadata."""
    if not isinstance(data, dict):
        return data
    declared = {key: value for key, value in data.items() if key != STATUS}
    metadata = declared.get("metadata")
    if isinstance(metadata, dict):
        own = {key: value for key, value in metadata.items() if key not in METADATA}
        declared["metadata"] = own
    return declared
