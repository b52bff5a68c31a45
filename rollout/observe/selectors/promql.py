"""Writes selectors in PromQL."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from rollout.plan.fields.matchers import Matcher
from rollout.plan.fields.regex import escape

_ESCAPED_DOT = r"\\."  # in a literal of PromQL


def format_selector(names: Sequence[str], matchers: Iterable[str]) -> str:
    """Return a selector; for a histogram it matches the classic and the native form.

    A native histogram has no `_bucket` series: it has the metric's plain name. A name with dots, as
    Prometheus 3 may keep it, is a value of `__name__`, which every server can read.
    """
    forms = [form for name in names for form in (name, name.removesuffix("_bucket"))]
    every = list(dict.fromkeys(forms))
    if len(every) == 1 and "." not in every[0]:
        return f"{every[0]}{{{','.join(matchers)}}}"
    is_one = len(every) == 1
    chosen = f"__name__={quoted(every[0])}" if is_one else f"__name__=~{_join_names(every)}"
    return f"{{{','.join([chosen, *matchers])}}}"


def _join_names(names: Sequence[str]) -> str:
    """Return a regular expression, as a literal, that matches any of the names."""
    return quoted("|".join(map(escape, names)))


def spell_label(name: str) -> str:
    """Return a label's name as PromQL has it: one with dots is quoted, since Prometheus 3."""
    return quoted(name) if "." in name else name


def format_matchers(matchers: Iterable[Matcher]) -> list[str]:
    """Return matchers as they stand in a selector."""
    return [f"{spell_label(m.label)}{m.operator}{quoted(m.text)}" for m in matchers]


def join_arms(arms: Sequence[Sequence[Matcher]]) -> Iterator[Matcher]:
    """Yield matchers for the series of both versions, and maybe of others.

    Which series is of which version is told by its labels, so that one query serves both.
    """
    for stable in arms[0] if arms else ():
        for canary in arms[1]:
            if stable == canary:
                yield stable
            elif stable.label == canary.label and not (_excludes(stable) or _excludes(canary)):
                texts = (m.text if m.is_regular else escape(m.text) for m in (stable, canary))
                yield Matcher(stable.label, "=~", "|".join(f"(?:{text})" for text in texts))


def _excludes(matcher: Matcher) -> bool:
    return matcher.operator.startswith("!")


def name_each(text: str) -> list[str]:
    """Return a query as one for each metric that it chooses by a regular expression.

    The text is one of ours: names hold no sign of a regular expression but `|` and escaped dots.
    """
    match = re.search(r'\{__name__=~"([^"]*)",?', text)
    if match is None:
        return [text]
    before, after = text[: match.start()], text[match.end() :]
    names = match[1].replace(_ESCAPED_DOT, ".").split("|")
    return [f"{before}{_open(name, has_more=after[:1] != '}')}{after}" for name in names]


def _open(name: str, *, has_more: bool) -> str:
    """Return how a selector of one name begins."""
    if "." not in name:
        return f"{name}{{"
    return f"{{__name__={quoted(name)}{',' if has_more else ''}"


def match_any(values: Iterable[str]) -> str:
    """Return a PromQL regular expression, as a literal, that matches any of the values."""
    return quoted("|".join(escape(value) for value in sorted(values)))


def quoted(value: str) -> str:
    """Return a text as a PromQL string literal."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
