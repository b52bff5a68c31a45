"""A file that Envoy watches: read whole, and replaced so that nobody ever sees half of it."""

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
    """The file's document, JSON or YAML by its name. Raises RouteError."""
    try:
        text = file.read_text()
        # Through JSON, because what YAML aliases share would change in two places at once.
        manifest = json.loads(json.dumps(yaml.safe_load(text)) if _is_yaml(file) else text)
    except OSError as error:
        raise RouteError(f"cannot read file {file}: {error.strerror}", unread=True) from None
    except (ValueError, TypeError, yaml.YAMLError) as error:
        raise RouteError(f"cannot parse file {file}: {error}", unread=True) from None
    if not isinstance(manifest, dict):
        raise RouteError(f"file {file} holds no object", unread=True)
    return manifest


def _dumped(file: Path, manifest: Json) -> str:
    if _is_yaml(file):
        return yaml.safe_dump(manifest, sort_keys=False)
    return json.dumps(manifest, indent=1)


def _is_yaml(file: Path) -> bool:
    return file.suffix in (".yaml", ".yml")  # Envoy, too, goes by the name


def replace(file: Path, manifest: Json) -> None:
    """Move a complete, flushed file with the same rights into place, so nobody sees half of it."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
        try:
            with os.fdopen(handle, "w") as out:
                out.write(_dumped(file, manifest))
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
