"""Writes every page of a journal as files in one folder, which open without a server."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, product
from pathlib import Path

from rollout.errors import InputError
from rollout.journal.owned_file import replace_file
from rollout.page.charts import CHARTS, THEMES, are_available
from rollout.page.pages import PageSet
from rollout.page.render import FileLinks

_FILES = ("style.css", "icon.svg")
_INDEX = FileLinks().home()
_MARK = b" \xc2\xb7 Surefoot</title>"  # of each page that we ever wrote
_HEAD = 4096  # bytes in which it stands


def check_folder(folder: Path) -> None:
    """Check that a folder is empty, not there yet, or holds a site of ours.

    Raises InputError for one with files of others, OSError for one that cannot be read.
    """
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    index = folder / _INDEX
    if index.is_symlink() or not index.is_file():
        is_ours = False
    else:
        with index.open("rb") as file:
            is_ours = _MARK in file.read(_HEAD)
    if not is_ours:
        raise InputError(
            f"{folder} is not empty, and holds no site that surefoot wrote: name another folder, "
            "or add --force to write into this one"
        )


def write_site(pages: PageSet, folder: Path) -> int:
    """Write the pages, their owner's alone, and return how many files.

    Files of the same names are replaced. Raises InputError for what is no plain file in one's
    place, OSError, and what reading a journal raises.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    written = set()
    for name, text in chain(_read_static(), _pages(pages, FileLinks())):
        replace_file(folder / name, text)
        written.add(name)
    return len(written)


def _read_static() -> Iterator[tuple[str, str]]:
    for name in _FILES:
        yield name, (Path(__file__).with_name("static") / name).read_text("utf-8")


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
