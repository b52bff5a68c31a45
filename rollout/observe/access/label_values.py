"""Hides the values of labels in what servers say: they stay out of journals, and may name persons.

Servers quote the query and the series that they cannot read, each in its own way: as PromQL, as
JSON, escaped once more, as Go prints a map; and a sentence may be cut off within a value.
"""

from __future__ import annotations

import re

_HIDDEN = "***"
_QUOTED = re.compile(
    r"""(?P<operator>=~?|!=|!~|:)\s*(?P<quote>\\*["'`])(?:\\.|.)*?(?:(?P=quote)|\Z)""", re.DOTALL
)
_BARE = re.compile(r"""(?<=\w)(?P<operator>=~?|!=|!~)(?![\s"'`\\=~])[^\s,;)}\]]+""")
_MAP = re.compile(r"\bmap\[[^\]]*(?:\]|\Z)")
_BRACES = re.compile(r"""\{[^{}"'`=]*:[^{}"'`]*(?:\}|\Z)""")


# Whom a proxy refuses, as Kubernetes' authorizers say it: our own account, and what it asked for.
_REFUSED = re.compile(r"\(user=[^()\"'`={},]*, verb=[^()\"'`{}]*\)")


def hide_values(text: str) -> str:
    """Return a text with `***` in place of each value of a label."""
    if match := _REFUSED.search(text):
        before, after = text[: match.start()], text[match.end() :]
        return hide_values(before) + match[0] + hide_values(after)
    text = _QUOTED.sub(rf'\g<operator>"{_HIDDEN}"', text)
    text = _BARE.sub(rf"\g<operator>{_HIDDEN}", text)
    text = _MAP.sub(f"map[{_HIDDEN}]", text)
    return _BRACES.sub(f"{{{_HIDDEN}}}", text)
