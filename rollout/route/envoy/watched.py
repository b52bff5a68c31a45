"""Read a file that Envoy watches, and replace it atomically."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from pathlib import Path

import yaml

from rollout.answers.input_file import read_input
from rollout.answers.json_text import parse_json
from rollout.errors import RouteError
from rollout.route.envoy.walk import ROUTES
from rollout.route.manifest import Json
from rollout.route.shape import settle
from rollout.route.yaml_text import parse_yaml, write_yaml

_LARGEST = 64 * 2**20  # bytes
_LARGEST_YAML = 2**20  # a second or two to read: YAML takes fifty times as long as JSON
_MOST_ASIDE = 100  # files that we keep beside one

_READABLE = 0o644  # Envoy may run as another user


class UnusableFileError(RouteError):
    """The file is gone, or holds nothing that Envoy would take: it runs on with what it has."""

    def __init__(self, message: str) -> None:
        super().__init__(message, unread=True)


def load(file: Path) -> Json:
    """Return the file's document, JSON or YAML by its suffix. Raises RouteError."""
    try:
        text = _read(file)
        manifest = parse_yaml(text) if _is_yaml(file) else parse_json(text)
    except FileNotFoundError as error:
        raise UnusableFileError(f"cannot read file {file}: {error.strerror}") from None
    except OSError as error:
        raise RouteError(f"cannot read file {file}: {error.strerror}", unread=True) from None
    except yaml.MarkedYAMLError as error:
        # Its own words quote the file, which may be any file that a plan names.
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        message = f"cannot parse file {file}: line {line} is no YAML of data"
        raise UnusableFileError(message) from None
    except (ValueError, TypeError, OverflowError, RecursionError, yaml.YAMLError) as error:
        raise UnusableFileError(f"cannot parse file {file}: {error}") from None
    return settle_routes(manifest, file)


def settle_routes(document: object, file: Path) -> Json:
    """Return a document whose fields are what we take them for. Raises UnusableFileError."""
    try:
        return settle(document, ROUTES, f"file {file}")
    except RouteError as error:
        raise UnusableFileError(str(error)) from None


def set_aside(file: Path) -> str:
    """Keep what a file holds beside it, and return the name; empty where there is no file.

    What is there already is not kept twice. What cannot be copied is moved: a folder, a pipe, a
    device without an end. Raises RouteError.
    """
    try:
        if not file.exists():
            return ""
        content = _read_bytes(file)
        for number in range(1, _MOST_ASIDE + 1):
            aside = file.with_name(f"{file.name}.unusable" + (f"-{number}" if number > 1 else ""))
            if content is None and not os.path.lexists(aside):
                file.rename(aside)
                return aside.name
            if content is not None and _keep(aside, content, file.stat().st_mode):
                return aside.name
    except OSError as error:
        raise RouteError(f"cannot keep file {file}: {error.strerror}", unread=True) from None
    raise RouteError(f"cannot keep file {file}: {_MOST_ASIDE} of them are there", unread=True)


def _keep(aside: Path, content: bytes, mode: int) -> bool:
    """Write a new file, unless it is there; return whether it holds the content. Raises OSError."""
    try:
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode & 0o777)
    except FileExistsError:  # or a link, which is never written through
        return not aside.is_symlink() and _read_bytes(aside) == content
    with os.fdopen(handle, "wb") as out:
        out.write(content)
    return True


def _read(file: Path) -> str:
    """Return a file's text. Raises OSError, ValueError for one that no route file is as large as.

    A device or a pipe in its place would be waited for without end.
    """
    if not file.is_file():
        file.stat()  # raises for one that does not exist
        raise ValueError("it is no file")
    largest = _LARGEST_YAML if _is_yaml(file) else _LARGEST
    if file.stat().st_size > largest or len(content := read_input(file, largest)) > largest:
        raise ValueError(f"it has more than {largest // 2**20} MB")
    return content.decode()


def _read_bytes(file: Path) -> bytes | None:
    """Return what a file holds; None for what is no file of a usual size. Raises OSError."""
    if not file.is_file() or file.stat().st_size > _LARGEST:
        return None
    try:
        content = read_input(file, _LARGEST)
    except BlockingIOError:
        return None
    return content if len(content) <= _LARGEST else None


def _serialize(file: Path, manifest: Json) -> str:
    if _is_yaml(file):
        return write_yaml(manifest)
    return json.dumps(manifest, indent=1)


def _is_yaml(file: Path) -> bool:
    return file.suffix in (".yaml", ".yml")  # Envoy goes by the suffix, too


def replace(file: Path, manifest: Json) -> None:
    """Replace the file atomically by a complete, flushed one with the same permissions.

    A reader sees the old or the new file, never a part. A file that is gone is made anew. Raises
    RouteError.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
        try:
            with os.fdopen(handle, "w") as out:
                out.write(_serialize(file, manifest))
                out.flush()
                os.fsync(out.fileno())
            if file.exists():
                shutil.copymode(file, name)
                with contextlib.suppress(PermissionError):
                    os.chown(name, file.stat().st_uid, file.stat().st_gid)
            else:
                Path(name).chmod(_READABLE)
            Path(name).replace(file)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise RouteError(f"cannot write file {file}: {error.strerror}") from None
