"""Asks the page's server past any browser."""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PageReply:
    """A status, headers with lower-case names, and the text."""

    status: int
    headers: dict[str, str]
    text: str


@dataclass(frozen=True)
class PageClient:
    """A server on a port of this machine, and the token for it."""

    port: int
    token: str
    journal: Path

    def ask(self, path: str, method: str = "GET", body: str = "", **headers: str) -> PageReply:
        """Ask as it is; `headers` with underscores for hyphens; no token by itself."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            line.request(method, path, body or None, named)
            answer = line.getresponse()
            received = {name.lower(): value for name, value in answer.getheaders()}
            return PageReply(answer.status, received, answer.read().decode())
        finally:
            line.close()

    def get(self, path: str, **headers: str) -> PageReply:
        """Ask with the token."""
        return self.ask(path, authorization=f"Bearer {self.token}", **headers)
