"""Read an access file, and report its mistakes by line and column, without a word of a secret.

A value may stand at a wrong place, so nothing that the file holds is repeated: messages name known
keys only.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path as FilePath

import yaml
from pydantic import ValidationError

from rollout.answers.input_file import read_input
from rollout.errors import InputError, Mistake
from rollout.observe.access.model import AccessFile
from rollout.plan.reading.mistakes import mistakes
from rollout.plan.reading.positions import Document, Path, compose
from rollout.redact import MASK

_LARGEST = 1_000_000  # bytes
_QUOTE = "quote a value that begins with ! & * % @ or `"
_WORDS = {
    "P001": ("this is no YAML", _QUOTE),
    "P002": ("a key is given twice", "remove one of them"),
    "P003": ("an unknown key", ""),  # its hint names a key that exists
    "P005": ("this is no plain value", _QUOTE),
}


class SecretDocument(Document):
    """A document whose values are masked wherever a message would quote them."""

    def find(self, path: Path) -> tuple[yaml.Node, yaml.Node]:
        key, value = super().find(path)
        if isinstance(value, yaml.ScalarNode) and value.value:
            value = yaml.ScalarNode(value.tag, MASK, value.start_mark, value.end_mark)
        return key, value


def load_accesses(path: FilePath) -> AccessFile:
    """Load an access file. Raises InputError with every mistake, each with its line and column."""
    problems, accesses = _parse(_read(path), str(path))
    if problems or accesses is None:
        # Not a PlanError: that is shown with the lines of the file.
        raise InputError("\n".join(map(str, sorted(set(problems)))))
    return accesses


def _read(path: FilePath) -> str:
    try:
        content = read_input(path, _LARGEST)
        if len(content) > _LARGEST:
            raise InputError(f"{path}: too large for an access file")
        return content.decode()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file in UTF-8") from None


def _parse(text: str, file: str) -> tuple[list[Mistake], AccessFile | None]:
    documents, problems = compose(text, file)
    if problems:
        return [_reword(mistake) for mistake in problems], None
    if len(documents) != 1:
        return [Mistake(file, 1, 1, "P001", "an access file holds one document")], None
    document = SecretDocument(file, documents[0].root, "access file")
    data = document.data()
    problems = [_reword(mistake) for mistake in document.mistakes]
    try:
        return problems, AccessFile.model_validate(data)
    except ValidationError as error:
        for mistake in mistakes(error, document, AccessFile):
            problems.append(_reword(mistake) if mistake.code == "P003" else mistake)
        return problems, None


def _reword(mistake: Mistake) -> Mistake:
    """Replace a message that quotes the file."""
    message, hint = _WORDS[mistake.code]
    return replace(mistake, message=message, hint=hint or mistake.hint)
