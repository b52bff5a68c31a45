"""Writes every page of a journal as files in one folder, which open without a server."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from itertools import chain, product
from pathlib import Path

from rollout.errors import InputError
from rollout.page.charts import CHARTS, THEMES, are_available
from rollout.page.pages import PageSet
from rollout.page.render import FileLinks

_FILES = ("style.css", "icon.svg")


def write_site(pages: PageSet, folder: Path) -> int:
    """Write the pages, their owner's alone, and return how many files.

    Files of the same names are replaced. Raises InputError for what is no plain file in one's
    place, OSError, and what reading a journal raises.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    written = set()
    for name, text in chain(_read_static(), _pages(pages, FileLinks())):
        _write(folder / name, text)
        written.add(name)
    return len(written)


def _read_static() -> Iterator[tuple[str, str]]:
    for name in _FILES:
        yield name, (Path(__file__).with_name("static") / name).read_text("utf-8")


def _write(file: Path, text: str) -> None:
    """Write a file anew: one in its place keeps neither its mode nor its other names."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(file.lstat().st_mode):
            raise InputError(f"{file} is no plain file, and is left as it is")
        file.unlink()
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as opened:
        os.fchmod(handle, 0o600)  # whatever the umask
        opened.write(text)


def _pages(pages: PageSet, links: FileLinks) -> Iterator[tuple[str, str]]:
    yield links.home(), pages.home()
    yield links.topology(), pages.topology()
    yield links.verify(), pages.verify()
    yield links.log(), pages.whole_log()
    services = set()
    for rollout, state in pages.reader.states().items():
        yield links.rollout(rollout), pages.rollout(rollout)
        yield links.log(rollout), pages.whole_log(rollout)
        if are_available() and state.looked_at is not None:
            for chart, theme in product(CHARTS, THEMES):
                name = links.chart(rollout, chart, theme)
                yield name, pages.charts.draw(rollout, chart, theme).decode()
        services.add((state.plan.metadata.namespace, state.plan.spec.service))
    for namespace, service in sorted(services):
        yield links.service(namespace, service), pages.service(namespace, service)
    for line in pages.reader.headlines():
        if line.action:
            yield links.decision(line.seq), pages.decision(line.seq)
