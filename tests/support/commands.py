"""Every command of the command line, and arguments for each of its parameters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest

from rollout.cli import surefoot
from rollout.errors import InputError


@dataclass(frozen=True)
class Inputs:
    """Sound values by kind of parameter."""

    plan: str
    journal: str
    name: str
    number: str
    output: str


def commands() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command and subcommand by its path, from the tree itself: a new one is walked too."""
    yield from _walk((), surefoot)


def _walk(
    path: tuple[str, ...], command: click.Command
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        assert child is not None
        yield from _walk((*path, name), child)


def kind_of(parameter: click.Parameter) -> str:
    """What a person hands over for it: a plan, journal, name, number, output, or plain text."""
    if parameter.name == "journal":
        return "journal"
    name = str(parameter.name)
    if isinstance(parameter.type, click.Path) or name == "plans":
        return "plan" if isinstance(parameter, click.Argument) else "output"
    if isinstance(parameter.type, click.types.IntParamType) or name == "number":
        return "number"
    return "name" if isinstance(parameter, click.Argument) else "text"


def arguments(
    command: click.Command, inputs: Inputs, given: dict[str, Any] | None = None
) -> list[str]:
    """Sound arguments, but for the parameters in `given`, which are always passed."""
    words: list[str] = []
    positional: list[str] = []
    given = given or {}
    for parameter in command.params:
        name, kind = str(parameter.name), kind_of(parameter)
        value = given.get(name, vars(inputs).get(kind))
        if isinstance(parameter, click.Argument):
            positional.append(str(value))
        elif name in given or kind == "journal":
            words += [parameter.opts[-1], str(value)]
    return [*words, "--", *positional] if positional else words


def first_entries(recording: Path, path: Path) -> Path:
    """Write a recording's first 20 entries, which fold in no time, to `path`."""
    lines = recording.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:20]), encoding="utf-8")
    return path


def sound_files(folder: Path, plan: str, recording: Path) -> Inputs:
    """A plan that is never begun, and a recorded journal."""
    path = folder / "plan.yaml"
    path.write_text(plan, encoding="utf-8")
    return Inputs(str(path), str(recording), "discharge-summarizer-v2", "18", str(folder / "out"))


def keep_apart(monkeypatch: pytest.MonkeyPatch, folder: Path, message: str, *barred: str) -> None:
    """No command reaches a cluster, a server, this user's journal or the working folder.

    `barred` raise `message`.
    """
    monkeypatch.chdir(folder)
    monkeypatch.setenv("KUBECONFIG", str(folder / "no-kubeconfig"))
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
    for name in ("SUREFOOT_JOURNAL", "SUREFOOT_ACCESS", "SUREFOOT_PROMETHEUS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)

    def refuse(*_: object, **__: object) -> None:
        raise InputError(message)

    for target in barred:
        monkeypatch.setattr(target, refuse)
