"""Print the mistakes of files in the forms that code hosts and CI servers show beside the lines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

from rollout import __version__
from rollout.errors import Mistake
from rollout.plan.fields.codes import CODES
from rollout.redact import redact, strip_controls

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_NOTE_RULE = "worth a look, and no mistake"


NOTE = "note"
"""What stands for the code of a note, which is no mistake and has none."""


def to_github(mistakes: Sequence[Mistake], notes: Sequence[Mistake]) -> str:
    """Return a workflow command of GitHub Actions for each finding: it annotates the line."""
    commands = [("error", own) for own in mistakes] + [("notice", own) for own in notes]
    return "\n".join(
        f"::{level} file={_escape(own.file, ':,')},line={own.line},col={own.column},"
        f"title={_escape(f'surefoot {own.code}', ':,')}::{_escape(_in_words(own))}"
        for level, own in commands
    )


def to_sarif(mistakes: Sequence[Mistake], notes: Sequence[Mistake]) -> str:
    """Return a log of SARIF 2.1.0 (OASIS) with one run, columns in Unicode code points."""
    rules = {code: CODES[code] for code in sorted({mistake.code for mistake in mistakes})}
    rules |= {NOTE: _NOTE_RULE} if notes else {}
    driver = {
        "name": "surefoot",
        "version": __version__,
        "rules": [
            {"id": code, "shortDescription": {"text": meaning}} for code, meaning in rules.items()
        ],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [
            *(_to_sarif_result("error", mistake) for mistake in mistakes),
            *(_to_sarif_result("note", note) for note in notes),
        ],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def to_junit(
    suite: str, files: Sequence[str], mistakes: Sequence[Mistake], notes: Sequence[Mistake]
) -> str:
    """Return a JUnit report in XML: a test case for each file, its mistakes one failure.

    Notes are what the case wrote to its output.
    """
    failed = {mistake.file for mistake in mistakes}
    counts = {"tests": str(len(files)), "failures": str(len(failed)), "errors": "0"}
    root = ET.Element("testsuites", counts)
    cases = ET.SubElement(root, "testsuite", {"name": suite, **counts})
    for file in files:
        case = ET.SubElement(cases, "testcase", {"classname": suite, "name": strip_controls(file)})
        own = [mistake for mistake in mistakes if mistake.file == file]
        if own:
            lines = [strip_controls(f"{_place(mistake)} {_in_words(mistake)}") for mistake in own]
            failure = ET.SubElement(case, "failure", {"message": lines[0], "type": own[0].code})
            failure.text = "\n".join(lines)
        noted = [
            strip_controls(f"{_place(note)} {_in_words(note)}")
            for note in notes
            if note.file == file
        ]
        if noted:
            ET.SubElement(case, "system-out").text = "\n".join(noted)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True)


def _to_sarif_result(level: str, mistake: Mistake) -> dict[str, Any]:
    region = {"startLine": mistake.line, "startColumn": mistake.column}
    location = {"artifactLocation": {"uri": _to_uri(mistake.file)}, "region": region}
    return {
        "ruleId": mistake.code,
        "level": level,
        "message": {"text": _in_words(mistake)},
        "locations": [{"physicalLocation": location}],
    }


def _to_uri(file: str) -> str:
    """Return a relative path as it is, so that the code host finds it, and others as file URIs."""
    path = Path(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())


def _in_words(mistake: Mistake) -> str:
    return redact(f"{mistake.message} ({mistake.hint})" if mistake.hint else mistake.message)


def _place(mistake: Mistake) -> str:
    return f"{mistake.file}:{mistake.line}:{mistake.column} {mistake.code}"


def _escape(text: str, more: str = "") -> str:
    """Escape what ends a workflow command, and in a property of it also `more`."""
    for character in f"%\r\n{more}":
        text = text.replace(character, f"%{ord(character):02X}")
    return text
