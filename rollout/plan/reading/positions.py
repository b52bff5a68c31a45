"""Parse YAML to plain data, and remember the line and column of every value."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.constructor import SafeConstructor

from rollout.answers.json_text import DEEPEST
from rollout.errors import Mistake

Path = tuple[str | int, ...]
Pairs = dict[str, tuple[yaml.Node, yaml.Node]]

_YAML = "tag:yaml.org,2002:"
_MERGE = f"{_YAML}merge"
# A plan has no dates, bytes and the like: what looks like one stays the text that was written.
_TEXT_TAGS = {f"{_YAML}{name}" for name in ("str", "timestamp", "value", "merge")}
_SCALARS = {
    f"{_YAML}int": SafeConstructor.construct_yaml_int,
    f"{_YAML}float": SafeConstructor.construct_yaml_float,
    f"{_YAML}bool": SafeConstructor.construct_yaml_bool,
    f"{_YAML}null": SafeConstructor.construct_yaml_null,
}
_DEEP = "nested too deeply"
_HALF = "half of a character (a lone surrogate) is no text"
_MOST_MERGED = 20_000  # keys that all merges of a document take over: a large mapping comes often
_KNOWN_TAGS = _TEXT_TAGS | _SCALARS.keys() | {f"{_YAML}map", f"{_YAML}seq"}


@dataclass
class Document:
    """One YAML document of a file: its data, and the mistakes that a YAML parser accepts."""

    file: str
    root: yaml.Node
    noun: str = "plan"  # what such a document is called in messages
    mistakes: list[Mistake] = field(default_factory=list)
    # By the id of a node: an alias is the same node again, so each is converted and reported once.
    _pairs: dict[int, Pairs] = field(default_factory=dict)
    _data: dict[int, Any] = field(default_factory=dict)
    _open: set[int] = field(default_factory=set)  # nodes being converted, to detect cycles
    _merged: int = 0  # keys that merges have taken over so far

    def data(self) -> Any:
        """Convert the document to mappings, lists, text, numbers, booleans and None.

        This adds to `mistakes`.
        """
        return self._to_plain(self.root)

    def mistake(self, node: yaml.Node, code: str, message: str, hint: str = "") -> Mistake:
        line, column = node.start_mark.line + 1, node.start_mark.column + 1
        return Mistake(self.file, line, column, code, shown(message, 300), shown(hint, 300))

    def find(self, path: Path) -> tuple[yaml.Node, yaml.Node]:
        """Find the nodes of the key and the value at a path.

        Where the document ends before the path does, both are the last key on the way.
        """
        key = value = self.root
        for step in path:
            if isinstance(value, yaml.MappingNode) and step in self.pairs(value):
                key, value = self.pairs(value)[str(step)]
            elif isinstance(value, yaml.SequenceNode) and isinstance(step, int):
                key = value = value.value[step]
            else:
                return key, key
        return key, value

    def pairs(self, node: yaml.MappingNode) -> Pairs:
        """The keys of a mapping with their nodes; its own keys override those merged by `<<`."""
        if id(node) not in self._pairs:
            self._pairs[id(node)] = {}  # ends the recursion when a mapping merges itself
            self._pairs[id(node)] = self._collect_merged(node) | self._collect_own(node)
        return self._pairs[id(node)]

    def _collect_own(self, node: yaml.MappingNode) -> Pairs:
        pairs: Pairs = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._note(key, "P005", "a key is a word, not a list or mapping")
            elif key.tag == _MERGE:
                continue
            elif not is_text(key.value):
                self._note(key, "P005", f"{_HALF}: `{shown(key.value)}`")
            elif key.value in pairs:
                first = pairs[key.value][0].start_mark.line + 1
                self._note(key, "P002", f"key `{shown(key.value)}` again, first in line {first}")
            else:
                pairs[key.value] = key, value
        return pairs

    def _collect_merged(self, node: yaml.MappingNode) -> Pairs:
        pairs: Pairs = {}
        for key, value in node.value:
            if key.tag == _MERGE:
                sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
                for source in reversed(sources):  # earlier ones win
                    if isinstance(source, yaml.MappingNode):
                        pairs |= self._take_over(source)
                    else:
                        self._note(source, "P005", "`<<` merges mappings only")
        return pairs

    def _take_over(self, source: yaml.MappingNode) -> Pairs:
        """Return what a merge takes from a mapping; nothing once all of them took too much."""
        if self._merged > _MOST_MERGED:
            return {}
        pairs = self.pairs(source)
        self._merged += len(pairs)
        if self._merged > _MOST_MERGED:
            self._note(source, "P001", f"`<<` merges more than {_MOST_MERGED:,} keys in all")
        return pairs

    def _note(self, node: yaml.Node, code: str, message: str) -> None:
        self.mistakes.append(self.mistake(node, code, message))

    def _to_plain(self, node: yaml.Node) -> Any:
        if id(node) in self._open:
            self._note(node, "P005", "an alias that contains itself")
            return None
        if len(self._open) > DEEPEST:  # only by aliases: the file itself is not as deep
            self._note(node, "P005", _DEEP)
            return None
        if id(node) not in self._data:
            self._open.add(id(node))
            self._data[id(node)] = self._build(node)
            self._open.discard(id(node))
        return self._data[id(node)]

    def _build(self, node: yaml.Node) -> Any:
        if node.tag not in _KNOWN_TAGS:
            self._note(node, "P005", f"{self.noun}s use no tags such as {shown(node.tag)}")
        if isinstance(node, yaml.MappingNode):
            return {key: self._to_plain(value) for key, (_, value) in self.pairs(node).items()}
        if isinstance(node, yaml.SequenceNode):
            return [self._to_plain(item) for item in node.value]
        if not isinstance(node, yaml.ScalarNode):
            return None
        if not is_text(node.value):
            self._note(node, "P005", f"{_HALF}: `{shown(node.value)}`")
            return shown(node.value)
        return _parse_scalar(node)


def is_text(value: str) -> bool:
    """Return whether a text can be written in UTF-8: one with half of a character cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _parse_scalar(node: yaml.ScalarNode) -> Any:
    construct = _SCALARS.get(node.tag)
    try:
        return construct(SafeConstructor(), node) if construct else node.value
    except (ValueError, LookupError, OverflowError):  # `!!int x`, or a number of 5,000 digits
        return node.value


def compose(
    text: str, file: str, noun: str = "plan", *, fast: bool = False
) -> tuple[list[Document], list[Mistake]]:
    """Parse every document of a file up to its first syntax error; return both.

    With `fast` by libyaml where PyYAML has it, six times as fast, for formats whose files are long.
    The two differ in corners, so plans, which were always read by the other one, stay with that.
    """
    # libyaml accepts tabs where YAML 1.1 has none. What it refuses is read again, for the words.
    if fast and _FAST is not None and "\t" not in text and is_shallow(text):
        with contextlib.suppress(yaml.YAMLError):
            return [Document(file, root, noun) for root in _nodes(_FAST(text))], []
    documents: list[Document] = []
    try:
        for root in _nodes(_ShallowLoader(text)):
            documents.append(Document(file, root, noun))  # noqa: PERF401 - those before an error
    except yaml.MarkedYAMLError as error:
        return documents, [_explain_syntax_error(error, file)]
    except yaml.reader.ReaderError as error:
        before = lines(text[: error.position])
        message = f"character {chr(error.character)!a} is not allowed in YAML"
        return documents, [Mistake(file, len(before), len(before[-1]) + 1, "P001", message)]
    return documents, []


def _nodes(loader: Any) -> Iterator[yaml.Node]:
    """Yield the root of each document. Raises YAMLError at the first that is none."""
    try:
        while loader.check_node():
            yield loader.get_node()
    except (ValueError, OverflowError):  # PyYAML's own, for an escape such as `\U99999999`
        problem = "an escape for a character that does not exist"
        raise yaml.scanner.ScannerError(None, None, problem, loader.get_mark()) from None


_FAST: Any = getattr(yaml, "CSafeLoader", None)


def is_shallow(text: str) -> bool:
    """Whether no nesting is too deep for libyaml, which recurses without a limit of its own."""
    unquoted = re.sub(r'"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'', "", text)
    depth = 0
    for bracket in re.findall(r"[\[{\]}]", unquoted):
        depth = depth + 1 if bracket in "[{" else max(depth - 1, 0)
        if depth > DEEPEST:
            return False
    # Levels of a block: those of indentation, and of entries that begin on one line.
    indents = (re.match(r"[ ]*(?:[-?:] +)*", line) for line in unquoted.splitlines())
    return max((match.end() for match in indents if match), default=0) <= DEEPEST


class _ShallowLoader(yaml.SafeLoader):
    """Refuses deep nesting where it begins: walks recurse, and PyYAML takes long."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self._depth > DEEPEST:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, _DEEP, mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


def _explain_syntax_error(error: yaml.MarkedYAMLError, file: str) -> Mistake:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    message = shown(error.problem or "not YAML", 200)
    hint = error.context or ""
    if "\\t" in message:
        hint = "indent with spaces"
    elif error.context_mark:
        hint += f" that began at {error.context_mark.line + 1}:{error.context_mark.column + 1}"
    return Mistake(file, line, column, "P001", message, hint)


def lines(text: str) -> list[str]:
    """Split a text into lines as YAML counts them."""
    return re.split("\r\n|[\n\r\x85\u2028\u2029]", text)


def shown(text: str, most: int = 40) -> str:
    """Make a user's text safe for a message: short and without control characters."""
    clean = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return clean if len(clean) <= most else f"{clean[: most - 3]}..."
