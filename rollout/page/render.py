"""Makes HTML of what a page shows. Every value is escaped, and nothing in a page is code."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from rollout import __version__
from rollout.page.views import SHAPES
from rollout.plan.fields.units import duration, percent

if TYPE_CHECKING:
    from jinja2 import Environment

    from rollout.page.views import LogLine

_MARKUP = 750  # bytes of an entry beside its texts


@dataclass(frozen=True)
class Links:
    """Addresses of pages as a server answers them."""

    is_live: bool = True

    def home(self) -> str:
        return "/"

    def rollout(self, rollout: str) -> str:
        return f"/rollouts/{quote(rollout, safe='')}"

    def service(self, namespace: str, service: str) -> str:
        return f"/services/{quote(namespace, safe='')}/{quote(service, safe='')}"

    def decision(self, number: int) -> str:
        return f"/decisions/{number}"

    def log(self, rollout: str = "") -> str:
        return f"/log?rollout={quote(rollout, safe='')}" if rollout else "/log"

    def chart(self, rollout: str, chart: str, theme: str) -> str:
        return f"{self.rollout(rollout)}/{chart}-{theme}.svg"

    def topology(self) -> str:
        return "/topology"

    def verify(self) -> str:
        return "/verify"

    def static(self, name: str) -> str:
        return f"/static/{name}"


@dataclass(frozen=True)
class FileLinks(Links):
    """Addresses of pages as files in one folder, which open without a server."""

    is_live: bool = False

    def home(self) -> str:
        return "index.html"

    def rollout(self, rollout: str) -> str:
        return f"rollout-{_file_name(rollout)}.html"

    def service(self, namespace: str, service: str) -> str:
        return f"service-{_file_name(namespace)}-{_file_name(service)}.html"

    def decision(self, number: int) -> str:
        return f"decision-{number}.html"

    def log(self, rollout: str = "") -> str:
        return f"log-{_file_name(rollout)}.html" if rollout else "log.html"

    def chart(self, rollout: str, chart: str, theme: str) -> str:
        return f"rollout-{_file_name(rollout)}-{chart}-{theme}.svg"

    def topology(self) -> str:
        return "topology.html"

    def verify(self) -> str:
        return "verify.html"

    def static(self, name: str) -> str:
        return name


def _file_name(name: str) -> str:
    """Return a file name that is safe everywhere: other bytes than letters, digits, . and - as _hh.

    Two names never become one file, since `_` itself is written in that way.
    """
    return "".join(
        chr(byte)
        if chr(byte).isascii() and (chr(byte).isalnum() or byte in b".-")
        else f"_{byte:02x}"
        for byte in name.encode()
    )


@dataclass(frozen=True)
class Renderer:
    """Renders the templates with one kind of links."""

    links: Links

    @cached_property
    def _environment(self) -> Environment:
        from jinja2 import Environment, PackageLoader, StrictUndefined

        environment = Environment(
            loader=PackageLoader("rollout.page"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        filters: dict[str, Callable[..., Any]] = {
            "share": percent,
            "amount": _format_amount,
            "moment": _format_moment,
            "iso": _format_iso,
            "lasting": duration,
            "document": _format_document,
            "verdict_shape": lambda verdict: SHAPES.get(verdict, "•"),
            "slug": lambda words: words.replace(" ", "-"),
        }
        environment.filters |= filters
        environment.globals |= {"links": self.links, "version": __version__}
        return environment

    def page(self, template: str, **values: object) -> str:
        """Render one page. Raises what a template raises that lacks a value."""
        return self._environment.get_template(f"{template}.html").render(**values)


def _format_amount(value: object) -> str:
    """Format a recorded number; a journal may hold anything in its place."""
    return f"{value:,}" if isinstance(value, int | float) else "unknown"


def _format_moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _format_iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def count_fitting(lines: Iterable[LogLine], room: int) -> int:
    """Return how many entries fit into so many bytes of a page, at least the first."""
    taken, fitting = 0, 0
    for line in lines:
        texts = [line.sentence, *[line.rollout] * 3]
        texts += [] if line.is_decision else [_format_document(line.document)]
        taken += _MARKUP + sum(len(escape(text).encode()) for text in texts)
        if fitting and taken > room:
            break
        fitting += 1
    return fitting


def _format_document(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2)
