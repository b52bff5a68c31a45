"""Read a file that Envoy watches, and replace it atomically."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from pathlib import Path

import yaml

from rollout.errors import RouteError
from rollout.route.manifest import Json


def load(file: Path) -> Json:
    """Return the file's document, JSON or YAML by its suffix. Raises RouteError."""
    try:
        text = file.read_text()
        # A round trip through JSON copies what YAML aliases share: a change in one place must not
        # change the other.
        manifest = json.loads(json.dumps(yaml.safe_load(text)) if _is_yaml(file) else text)
    except OSError as error:
        raise RouteError(f"cannot read file {file}: {error.strerror}", unread=True) from None
    except (ValueError, TypeError, yaml.YAMLError) as error:
        raise RouteError(f"cannot parse file {file}: {error}", unread=True) from None
    if not isinstance(manifest, dict):
        raise RouteError(f"file {file} holds no object", unread=True)
    return manifest


def _serialize(file: Path, manifest: Json) -> str:
    if _is_yaml(file):
        return yaml.safe_dump(manifest, sort_keys=False)
    return json.dumps(manifest, indent=1)


def _is_yaml(file: Path) -> bool:
    return file.suffix in (".yaml", ".yml")  # Envoy goes by the suffix, too


def replace(file: Path, manifest: Json) -> None:
    """Replace the file atomically by a complete, flushed one with the same permissions.

    A reader sees the old or the new file, never a part. Raises RouteError.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
        try:
            with os.fdopen(handle, "w") as out:
                out.write(_serialize(file, manifest))
                out.flush()
                os.fsync(out.fileno())
            shutil.copymode(file, name)
            with contextlib.suppress(PermissionError):
                os.chown(name, file.stat().st_uid, file.stat().st_gid)
            Path(name).replace(file)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise RouteError(f"cannot write file {file}: {error.strerror}") from None
