"""Parse where services answer, as a command line says it."""

from __future__ import annotations

import ipaddress
import re

from rollout.route.envoy.bootstrap import SocketAddress

_ADDRESS = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):(?P<port>[0-9]{1,5})")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
# The last part of a name is no number: what ends with one is an IPv4 address, or a mistake.
_NAME = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)*(?![0-9]+\Z){_LABEL}")
_MOST_WEIGHT = 128  # of one endpoint: Envoy adds them up, and rings grow with them


def parse_address(text: str) -> SocketAddress:
    """Parse `HOST:PORT`; an IPv6 address stands in brackets. Raises ValueError."""
    match = _ADDRESS.fullmatch(text)
    if match is None or not 1 <= int(match["port"]) <= 65_535:
        raise ValueError("write HOST:PORT, with a port from 1 to 65535, or [IPV6]:PORT")
    host, port = match["host"].strip("[]"), int(match["port"])
    if not (is_literal(host) or _NAME.fullmatch(host)):
        raise ValueError(f"HOST:PORT with the HOST {host}, which is neither an address nor a name")
    return SocketAddress(host, port)


def parse_own_address(text: str) -> SocketAddress:
    """Parse an address of this machine, where Envoy listens; no name. Raises ValueError."""
    address = parse_address(text)
    if not is_literal(address.host):
        raise ValueError("Envoy listens at an address, not a name: 127.0.0.1:PORT, say")
    return address


def is_literal(host: str) -> bool:
    """Return whether a host is an IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_itself(endpoint: SocketAddress, own: SocketAddress) -> bool:
    """Return whether an endpoint is where Envoy listens itself, at `own`."""
    if endpoint.port != own.port:
        return False
    hosts = ("127.0.0.1", "::1") if endpoint.host == "localhost" else (endpoint.host,)
    anywhere = ipaddress.ip_address(own.host).is_unspecified
    return any(
        host == own.host or (anywhere and is_literal(host) and _is_of_this_machine(host))
        for host in hosts
    )


def _is_of_this_machine(host: str) -> bool:
    address = ipaddress.ip_address(host)
    return address.is_loopback or address.is_unspecified


def parse_endpoints(text: str) -> tuple[str, tuple[SocketAddress, ...]]:
    """Parse `NAME=HOST:PORT[@WEIGHT][,...]` to the name and its addresses. Raises ValueError."""
    name, separator, addresses = text.partition("=")
    if not (name and separator):
        raise ValueError("write NAME=HOST:PORT")
    parsed = tuple(map(_parse_endpoint, addresses.split(",")))
    if len({(address.host, address.port) for address in parsed}) < len(parsed):
        raise ValueError(f"{name} answers twice at one HOST:PORT: write HOST:PORT@WEIGHT")
    return name, parsed


def _parse_endpoint(text: str) -> SocketAddress:
    address, separator, weight = text.partition("@")
    if not separator:
        return parse_address(address)
    if not (weight.isascii() and weight.isdecimal() and 1 <= int(weight) <= _MOST_WEIGHT):
        raise ValueError(f"a weight is a whole number from 1 to {_MOST_WEIGHT}")
    return parse_address(address)._replace(weight=int(weight))
