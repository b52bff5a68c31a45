"""Addresses that no plan may reach: link-local ones, and those of a cloud's metadata service.

Whoever runs a machine at a cloud asks these for its credentials, and needs none to ask. A plan is
written by people with fewer rights than the controller, so the controller never asks for them.
"""

from __future__ import annotations

import ipaddress
import socket

from rollout.errors import AddressError

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address

_REFUSED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "169.254.0.0/16",  # link-local, RFC 3927; 169.254.169.254 is most clouds' metadata service
        "fe80::/10",  # link-local, RFC 4291
        "fd00:ec2::/32",  # Amazon's services on the instance
        "fd20:ce::254/128",  # Google's metadata service
        "fd00:42::42/128",  # Scaleway's
        "fd00:c1::/32",  # Oracle's
        "100.100.100.200/32",  # Alibaba's metadata service
        "168.63.129.16/32",  # Azure's host
        "192.0.0.192/32",  # Oracle's older metadata service
    )
)
_CARRYING = tuple(
    ipaddress.ip_network(network)
    for network in (
        "64:ff9b::/96",  # RFC 6052
        "64:ff9b:1::/48",  # RFC 8215
        "::ffff:0:0:0/96",  # RFC 2765
        "::/96",  # RFC 4291, deprecated
    )
)
"""Networks whose addresses end in the IPv4 address to which a translator sends what they get."""

_ISATAP = 0x5EFE  # RFC 5214: the 16 bits before such an IPv4 address, in any network


def check_address(text: str) -> None:
    """Raise AddressError for an address that no plan may reach.

    A text that is no address passes: it is a name, and what it leads to is checked then.
    """
    for address in _list_addresses(text):
        if any(address in network for network in _REFUSED):
            raise AddressError(
                f"{text} is link-local or a cloud's metadata service, which plans never reach"
            )


def check_host(host: str) -> None:
    """Raise AddressError for a host that is written as such an address, in whatever notation.

    `2852039166` and `0xa9fea9fe` are 169.254.169.254 to a resolver. No name is looked up.
    """
    for address in resolve(host, flags=socket.AI_NUMERICHOST):
        check_address(address)


def resolve(host: str, flags: int = 0) -> list[str]:
    """Return the addresses of a host; none where it has none."""
    try:
        rows = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=flags)
    except (OSError, UnicodeError):
        return []
    return [str(row[4][0]) for row in rows]


def _list_addresses(text: str) -> list[Ip]:
    """Return an address, and the IPv4 addresses that it carries inside IPv6."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return []
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    last, before = int(address) & 0xFFFFFFFF, int(address) >> 32 & 0xFFFF
    carried = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if before == _ISATAP or any(address in network for network in _CARRYING):
        carried.append(ipaddress.IPv4Address(last))
    return [address, *(ip for ip in carried if ip is not None)]
