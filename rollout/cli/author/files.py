"""Read the files that a command checks, and print what is accepted and every mistake of them."""

from __future__ import annotations

import json
import sys
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from re import Pattern
from typing import Any, Generic, Literal, TypeVar, get_args

import click

from rollout.answers.input_file import read_input
from rollout.cli.text.plan_errors import explain
from rollout.errors import InputError, Mistake, PlanError
from rollout.plan.reading.bounds import LARGEST
from rollout.plan.reading.files import read, read_stream
from rollout.redact import redact_values

T = TypeVar("T")
OutputForm = Literal["text", "json", "github", "sarif", "junit"]


@dataclass
class CheckedFiles(Generic[T]):
    """What files hold: each valid document with its file, every mistake, and their texts.

    The texts are kept for the excerpts in messages: standard input can be read only once.
    """

    accepted: list[tuple[str, T]] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)
    notes: list[Mistake] = field(default_factory=list)  # for forms that have a place for them
    texts: dict[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()  # of the files

    def describe(self, lines: Iterable[str]) -> str:
        """Return these lines, each mistake with its excerpt, and how many there are."""
        errors = [explain(self.mistakes, self.texts)] if self.mistakes else []
        counts = [(len(self.names), "file"), (len(self.mistakes), "mistake")]
        checked, wrong = (_format_count(number, noun) for number, noun in counts)
        return "\n".join([*lines, *errors, f"{checked} checked, {wrong}"])

    def render(
        self, output: OutputForm, command: str, lines: Iterable[str], **accepted: Any
    ) -> str:
        """Return what is printed: `lines` are of the accepted ones as text, `accepted` as JSON."""
        from rollout.cli.author import findings

        match output:
            case "json":
                return self.to_json(**accepted)
            case "github":
                return findings.to_github(self.mistakes, self.notes)
            case "sarif":
                return findings.to_sarif(self.mistakes, self.notes)
            case "junit":
                return findings.to_junit(command, self.names, self.mistakes, self.notes)
        return self.describe(lines)

    def to_json(self, **accepted: Any) -> str:
        """Return what is accepted, and the mistakes, as one JSON document."""
        document = {**accepted, "mistakes": [asdict(mistake) for mistake in self.mistakes]}
        return json.dumps(redact_values(document), indent=2)


def output_option(accepted: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option of the form in which a check's findings are printed."""
    mistakes = "mistakes: [{file, line, column, code, message, hint}]"
    return click.option(
        "--output",
        type=click.Choice(get_args(OutputForm)),
        default="text",
        show_default=True,
        help=f"json: {{{accepted}, {mistakes}}}; github annotates the lines in a workflow, sarif "
        "and junit are what code hosts and CI servers read.",
    )


def read_files(
    files: Iterable[str], load: Callable[[str, str], Iterable[T]], largest: int = LARGEST
) -> CheckedFiles[T]:
    """Read every file, each once, of at most `largest` bytes; `-` is standard input."""
    names = dict.fromkeys(files)
    checked = CheckedFiles[T](names=tuple(names))
    for file in names:
        try:
            checked.texts[file] = read_text(file, largest)
            checked.accepted += [(file, item) for item in load(checked.texts[file], file)]
        except PlanError as error:
            checked.mistakes += error.mistakes
        except InputError as error:
            reason = str(error).removeprefix(f"{file}: ")
            checked.mistakes.append(Mistake(file, 1, 1, "P000", reason))
    return checked


def list_files(folder: Path, words: Pattern[str]) -> list[str]:
    """Return the YAML files in a folder and below it whose text has such words.

    Others are not parsed: a folder of manifests holds templates of other tools too, which are no
    YAML. Files that cannot be read are returned, since reading them gives the reason.
    """
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".yaml", ".yml"})
    return [str(path) for path in files if path.is_file() and _may_hold(path, words)]


def _may_hold(path: Path, words: Pattern[str]) -> bool:
    try:
        content = read_input(path, LARGEST)
    except OSError:
        return True
    if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return True  # no words are found in it, and it is refused when it is read
    return words.search(content.decode(errors="replace")) is not None


def read_text(file: str, largest: int = LARGEST) -> str:
    """Return a file's text, or that of standard input for `-`. Raises InputError."""
    return read_stream(sys.stdin.buffer, file, largest) if file == "-" else read(file, largest)


def _format_count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
