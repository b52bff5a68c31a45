"""Addresses of servers, compared so that a credential goes only where an access says."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import parse_qsl, urlsplit

_PORTS = {"http": 80, "https": 443}
# Stricter than any URL parser: no user, no backslash, no space, nothing but ASCII. Whatever two
# parsers could read differently is not an address at all.
_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\.?|\[[0-9A-Fa-f:.]+\])"
    r"(:(?P<port>[0-9]{1,5}))?(?P<path>(/[A-Za-z0-9._~%!$&'()*+,;=:@-]*)*)(\?(?P<query>[^#\s]*))?",
    re.ASCII | re.IGNORECASE,
)
Parameters = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Address:
    """A server: scheme, host, port and path, in the one spelling that is compared."""

    scheme: str
    host: str
    port: int
    path: str


def parse_address(url: str) -> Address | None:
    """Return the address of a URL without its parameters; None where it is not a plain one."""
    match = _ADDRESS.fullmatch(url)
    if match is None:
        return None
    scheme, host = match["scheme"].lower(), match["host"].lower().removesuffix(".")
    port = int(match["port"] or _PORTS[scheme])
    is_path = not re.search(r"/(\.|%2e){1,2}(/|$)", match["path"], re.IGNORECASE)
    if not (0 < port < 65536 and is_path):
        return None
    return Address(scheme, host, port, match["path"].rstrip("/"))


def split_parameters(url: str) -> tuple[str, Parameters]:
    """Return a URL without its query, to which paths can be added, and the query's parameters."""
    base, _, query = url.partition("#")[0].partition("?")
    return base.rstrip("/"), tuple(parse_qsl(query, keep_blank_values=True))


def name_host(url: str) -> str:
    """Return the host and port of a URL for messages, without its user, however it is spelt."""
    base = split_parameters(url)[0].partition("://")[2]
    return base.rpartition("@")[2].partition("/")[0]


def check_alike(url: str) -> None:
    """Raise ValueError for a URL whose host two parsers read differently, by a backslash, say.

    One of them connects, the other chooses proxies and what goes past them.
    """
    from urllib3.util import parse_url  # only who connects needs it, and it takes long to load

    host = urlsplit(url).hostname or ""
    bracketed = f"[{host}]" if ":" in host else host
    if parse_url(url).host != parse_url(f"http://{bracketed}").host:
        raise ValueError("its host can be read in two ways")


def is_loopback(url: str) -> bool:
    """Return whether a URL names this machine, so that no proxy stands between."""
    with suppress(ValueError):
        host = (urlsplit(url).hostname or "").removesuffix(".")
        if host == "localhost" or host.endswith(".localhost"):
            return True
        return ip_address(host).is_loopback
    return False
