"""The passwords of the controller's own `~/.netrc`, for servers that it names and no others.

`requests` would read the host of an address by another parser than the one that connects to it, and
would send what is after `default` to any server that a plan names.
"""

from __future__ import annotations

import os
from netrc import NetrcParseError, netrc
from pathlib import Path

from urllib3.util import parse_url

_NAMES = ("~/.netrc", "~/_netrc")


def find_login(url: str) -> tuple[str, str] | None:
    """Return the user and the password for the very host of a URL; None where none is named.

    Raises LocationParseError.
    """
    host = (parse_url(url).host or "").strip("[]")
    named = os.environ.get("NETRC")
    files = (Path(name).expanduser() for name in ((named,) if named is not None else _NAMES))
    file = next((file for file in files if file.is_file()), None)
    if file is None or not host or host == "default":
        return None
    try:
        login = netrc(file).hosts.get(host)
    except (NetrcParseError, OSError, UnicodeError):
        return None
    if login is None or not any(login):
        return None
    user, account, password = login
    return user or account or "", password or ""
