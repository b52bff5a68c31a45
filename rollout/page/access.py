"""Decides who may see the pages: one token, exchanged for a cookie; known hosts and origins only.

A loopback address says nothing about who asks: every user of the machine and every page in a
browser reaches it. So each request needs the token or the cookie made of it, and names a host that
we serve: a name that somebody else lets lead here is refused (DNS rebinding). Its port may be any
one, since `kubectl port-forward` and services put others in front; a browser's request comes from a
page of the same name and port, so no other server's page on this host can ask.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

from rollout.errors import InputError
from rollout.journal.key_file import read_private, write_private

_LEAST = 16  # characters of a token
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]]+)(?::[0-9]{1,5})?")  # a name and perhaps a port
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
_WAY = re.compile(r"/(?![/\\])[!-\[\]-~]{0,1000}")  # a path of this server, and no `//HOST`
_LONGEST_WAY = 1000  # characters
_CURE = "remove it, and a new one is made"

PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Content security policy of pages: nothing inline, nothing from elsewhere, in nobody's frame."""

HEADERS: Mapping[str, str] = {
    "cache-control": "no-store",
    "content-security-policy": PAGE_POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}


def open_token(file: Path) -> str:
    """Return the token in a file that is its owner's alone, which is made if it is not there.

    Raises InputError for a file that others may read or that holds no token, OSError where it
    cannot be made.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(file, f"{secrets.token_urlsafe(32)}\n".encode())
    except FileExistsError:
        pass
    token = read_private(file, _CURE).decode("utf-8-sig", errors="replace").strip()
    if len(token) < _LEAST or not token.isascii() or not token.isprintable():
        raise InputError(f"the token in {file} is not {_LEAST} or more plain characters; {_CURE}")
    return token


@dataclass(frozen=True)
class PageAccess:
    """Who may see the pages.

    `names` are those of the host under which we are asked; `is_secure` says that it is TLS.
    `gate` is the secret in the path of a gate; empty where there is none.
    """

    token: str
    names: frozenset[str]
    is_secure: bool = False
    gate: str = ""

    @property
    def cookie_name(self) -> str:
        """The cookie's name, of this token alone: browsers send one to every port of a host."""
        return f"surefoot-page-{self._derive('name')[:8]}"

    @property
    def cookie(self) -> str:
        """The cookie's value: it shows that its holder had the token, and does not tell it."""
        return self._derive("v1")

    def _derive(self, purpose: str) -> str:
        words = f"surefoot page cookie {purpose}".encode()
        return hmac.new(self.token.encode(), words, hashlib.sha256).hexdigest()

    def is_known_host(self, host: str | None) -> bool:
        """Return whether the header `Host` has one of our names, whatever its port."""
        split = _HOST.fullmatch((host or "").lower())
        return split is not None and split[1] in self.names

    def is_own_origin(self, origin: str | None, host: str | None) -> bool:
        """Return whether a request comes from a page of the same name and port, or from none."""
        scheme = "https" if self.is_secure else "http"
        return origin is None or origin.lower() == f"{scheme}://{host}".lower()

    def has_token(self, words: str) -> bool:
        return hmac.compare_digest(words.strip().encode(), self.token.encode())

    def opens_gate(self, secret: str) -> bool:
        """Return whether the secret in a path is that of the gate."""
        return bool(self.gate) and hmac.compare_digest(secret.encode(), self.gate.encode())

    def may_see(self, authorization: str | None, cookie: str | None) -> bool:
        """Return whether a header `Authorization: Bearer TOKEN` or the cookie is right."""
        scheme, _, words = (authorization or "").partition(" ")
        if scheme.lower() == "bearer" and self.has_token(words):
            return True
        return cookie is not None and hmac.compare_digest(cookie.encode(), self.cookie.encode())


def names_of(address: str, more: tuple[str, ...] = ()) -> frozenset[str]:
    """Return the names of hosts that mean a server at this address and under these names."""
    names = {f"[{name}]" if ":" in name else name for name in (address, *more)}
    local = _LOOPBACK if is_loopback(address) else frozenset[str]()
    return local | {name.lower() for name in names}


def is_loopback(address: str) -> bool:
    """Return whether an address is a loopback one; of names only localhost is."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def find_sign_in(path: str, query: str) -> str:
    """Return the address of the sign-in that leads on to what was asked for."""
    wanted = quote(path) + (f"?{query}" if query else "")
    return "/sign-in" if wanted == "/" else f"/sign-in?{urlencode({'to': wanted[:_LONGEST_WAY]})}"


def find_way_back(wanted: str) -> str:
    """Return the path to go on to after the sign-in; the first page for what is no path of ours."""
    return wanted if _WAY.fullmatch(wanted) else "/"
