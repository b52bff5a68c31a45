"""HTTP connections to addresses that plans name: never to a link-local one.

A name is checked by what it leads to when it is connected to, and so is each redirect: what a
resolver answered a moment earlier, or another resolver, does not count.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import requests
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util import parse_url

from rollout.answers.http import LimitedAdapter, Limits, limit_pools
from rollout.answers.link_local import check_address, check_host, resolve

Permit = Callable[[str], None]
"""Raises AddressError for a URL that plans may not reach."""


class _Guard:
    """Checks a connection's address before it is opened, and again before anything is sent."""

    def _new_conn(self) -> socket.socket:
        for address in resolve(self._dns_host):  # type: ignore[attr-defined]
            check_address(address)
        opened: socket.socket = super()._new_conn()  # type: ignore[misc]
        try:
            # The name was resolved a second time to open it.
            check_address(str(opened.getpeername()[0]))
        except Exception:
            opened.close()
            raise
        return opened


class GuardedConnection(_Guard, HTTPConnection):
    """A connection over HTTP that refuses link-local addresses with AddressError."""


class GuardedTlsConnection(_Guard, HTTPSConnection):
    """A connection over HTTPS that refuses link-local addresses with AddressError."""


class GuardedAdapter(LimitedAdapter):
    """The transport of a `requests` session that asks addresses of a plan.

    Where a proxy of the environment stands between, it resolves the names, so only a host that is
    written as an address is checked.
    """

    def __init__(self, limits: Limits, permit: Permit) -> None:
        self._permit = permit
        super().__init__(limits)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        limit_pools(self.poolmanager, self._limits, GuardedConnection, GuardedTlsConnection)

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> Any:
        """See requests.adapters.HTTPAdapter. Raises AddressError."""
        url = request.url or ""
        check_host((parse_url(url).host or "").strip("[]"))
        self._permit(url)
        return super().send(request, *args, **options)


def guard(session: requests.Session, limits: Limits, permit: Permit = lambda _url: None) -> None:
    """Let a session ask permitted addresses only, within limits; redirects as well."""
    session.adapters.clear()  # a longer prefix would go first
    for scheme in ("http://", "https://"):
        session.mount(scheme, GuardedAdapter(limits, permit))
