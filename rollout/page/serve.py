"""Runs the pages on an address until it is stopped."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from rollout.errors import InputError
from rollout.page.access import PageAccess, is_loopback, names_of, open_token
from rollout.page.connections import BACKLOG, BoundedSocket, OpenConnections
from rollout.page.pages import PageSet

if TYPE_CHECKING:
    from uvicorn import Server

_END = 2.0  # seconds: open event streams do not hold up the end


_EVERY_ADDRESS = {"0.0.0.0", "::"}  # noqa: S104 - told apart, not served


@dataclass(frozen=True)
class PageListener:
    """Where the pages are served, under which names, and by which certificate."""

    address: str
    port: int
    names: tuple[str, ...] = ()
    certificate: Path | None = None
    key: Path | None = None

    def check(self, *, has_token_file: bool) -> None:
        """Raises InputError where it may not be served as it is."""
        if (self.certificate is None) is not (self.key is None):
            raise InputError("--certificate and --key are given together")
        if self.certificate is not None and self.key is not None:
            _check_certificate(self.certificate, self.key)
        if is_loopback(self.address):
            return
        if self.certificate is None:
            raise InputError(
                f"{self.address} is reached from elsewhere: give it --certificate and --key, or "
                "serve on 127.0.0.1"
            )
        if not has_token_file:
            raise InputError(f"{self.address} is reached from elsewhere: name a --token-file")
        if self.address in _EVERY_ADDRESS and not self.names:
            raise InputError(
                f"{self.address} stands for every address, and nobody asks for that one: give it "
                "the --name that browsers ask for"
            )

    @property
    def url(self) -> str:
        """Where a browser finds it: from elsewhere under its first name."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        if self.names and not is_loopback(self.address):
            host = self.names[0]
        return f"{'https' if self.certificate else 'http'}://{host}:{self.port}/"


def _check_certificate(certificate: Path, key: Path) -> None:
    """Raises InputError for files that are no certificate with its key."""
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    except OSError as error:  # an SSLError is one
        words = error.strerror or error
        raise InputError(f"{certificate} and {key} cannot be used for TLS: {words}") from error


def access_for(
    listener: PageListener, token_file: Path, gate_file: Path | None = None
) -> PageAccess:
    """Return who may see the pages. Raises InputError for a token that cannot be used."""
    token = _open_token(token_file)
    gate = _open_token(gate_file) if gate_file else ""
    if gate == token:
        raise InputError("--gate-file has the page's token: a gate's secret is another one")
    names = names_of(listener.address, listener.names)
    return PageAccess(token, names, listener.certificate is not None, gate)


def _open_token(file: Path) -> str:
    try:
        return open_token(file)
    except OSError as error:
        raise InputError(f"the token {file} cannot be made: {error.strerror}") from error


def serve(
    pages: PageSet, listener: PageListener, access: PageAccess, announce: Callable[[], None]
) -> None:
    """Serve until a signal ends it; `announce` is called once the address answers.

    Raises InputError where the address cannot be used.
    """
    with _bind(pages, listener, access) as (server, bound):
        pages.warm_up()
        announce()
        server.run(sockets=[bound])


@contextmanager
def serving_beside(pages: PageSet, listener: PageListener, access: PageAccess) -> Iterator[None]:
    """Serve in a thread of its own while the context is open. Raises InputError."""
    with _bind(pages, listener, access) as (server, bound):
        # A daemon: whatever a viewer does, it does not hold up the end of a controller.
        thread = Thread(target=server.run, args=([bound],), name="page", daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.should_exit = True
            thread.join(_END)


@contextmanager
def _bind(
    pages: PageSet, listener: PageListener, access: PageAccess
) -> Iterator[tuple[Server, socket.socket]]:
    """Yield a server and the open socket for it. Raises InputError, with the cure."""
    connections = OpenConnections()
    try:
        server = _build_server(pages, listener, access, connections)
    except ModuleNotFoundError as error:
        raise InputError("the page needs more packages: pip install 'surefoot[page]'") from error
    family = socket.AF_INET6 if ":" in listener.address else socket.AF_INET
    try:
        bound = socket.create_server((listener.address, listener.port), family=family)
    except OSError as error:
        where = f"{listener.address}, port {listener.port}"
        raise InputError(f"{where} cannot be served at: {error.strerror}") from error
    with BoundedSocket(bound, connections) as bounded:
        yield server, bounded


def _build_server(
    pages: PageSet, listener: PageListener, access: PageAccess, connections: OpenConnections
) -> Server:
    """Return the server, not started yet. Raises ModuleNotFoundError without the extra `page`."""
    import uvicorn

    from rollout.page.app import application

    config = uvicorn.Config(
        application(pages, access, connections),
        host=listener.address,
        port=listener.port,
        ssl_certfile=listener.certificate,
        ssl_keyfile=listener.key,
        log_level="error",
        access_log=False,  # paths name rollouts, and nobody asked for a log of who looks
        server_header=False,
        proxy_headers=False,
        loop="asyncio",  # which takes connections from the socket itself, so that it can count them
        backlog=BACKLOG,
        timeout_graceful_shutdown=round(_END),
    )
    return uvicorn.Server(config)
