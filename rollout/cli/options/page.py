"""The page of a journal: opened for commands, and the option `--page` of what runs a controller."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rollout.journal.location import JournalLocation

if TYPE_CHECKING:
    from rollout.page.pages import PageSet
    from rollout.page.render import Links


def page_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--page PORT` and `--page-token FILE`."""
    port = click.option(
        "--page",
        type=click.IntRange(1, 65535),
        metavar="PORT",
        help="Serve the web page on 127.0.0.1 at this port as well (as surefoot serve does).",
    )
    token = click.option(
        "--page-token",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="File with the page's token, made if missing; default: beside the journal.",
    )
    return port(token(command))


def token_path(journal: JournalLocation) -> Path:
    """Return where the token of a journal's page stands: beside a file, else in the state folder.

    Raises InputError without a home folder.
    """
    from rollout.journal.location import default_path, is_url, resolve

    if is_url(journal):
        return default_path().with_name("page.token")
    real = resolve(Path(journal))
    return real.with_name(f"{real.name}.page-token")


@contextmanager
def open_pages(journal: JournalLocation, links: Links) -> Iterator[PageSet]:
    """Open a journal's pages for reading. Raises InputError and JournalError."""
    from rollout.journal.open import open_for_reading
    from rollout.page.pages import PageSet
    from rollout.page.reader import JournalReader
    from rollout.wire.clock import SystemClock

    with closing(open_for_reading(journal)) as opened:
        yield PageSet(JournalReader(opened, SystemClock().now), opened, links)


@contextmanager
def page_beside(
    port: int | None, journal: JournalLocation, token_file: Path | None = None
) -> Iterator[None]:
    """Serve the page beside a controller while the context is open; nothing without a port.

    Raises InputError where it cannot be served.
    """
    if port is None:
        yield
        return
    from rollout.page.render import Links
    from rollout.page.serve import PageListener, access_for, serving_beside

    listener, file = PageListener("127.0.0.1", port), token_file or token_path(journal)
    with open_pages(journal, Links()) as pages:
        access = access_for(listener, file)
        with serving_beside(pages, listener, access):
            click.echo(f"{listener.url}  (the token to sign in stands in {file})", err=True)
            yield
