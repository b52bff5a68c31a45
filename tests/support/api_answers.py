"""Every answer of the page's API about a journal, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import product

from starlette.requests import Request

from rollout.page.access import PageAccess
from rollout.page.api import GATE, build_routes
from rollout.page.reader import JournalReader
from rollout.ports import Journal

_TOKEN = "a-token-of-the-tests"


def api_answers(journal: Journal, name: str, now: float = 2e9) -> Iterator[tuple[str, str]]:
    """Yield path and text of each answer: about this rollout, and about every entry."""
    reader = JournalReader(journal, lambda: now, pause=0)
    head = reader.refresh()
    for route in build_routes(reader, PageAccess(_TOKEN, frozenset())):
        if route.path.startswith(GATE):
            continue  # it tells of nothing but open or closed
        numbers = range(1, head + 1) if "{number}" in route.path else [0]
        goals = [b"", b"for=promotion"] if route.path.endswith("verdict") else [b""]
        for number, query in product(numbers, goals):
            scope = {
                "type": "http",
                "method": "GET",
                "headers": [],
                "path_params": {"name": name, "number": str(number)},
                "query_string": query,
            }
            response = asyncio.run(route.endpoint(Request(scope)))
            assert response.status_code == 200, route.path
            yield route.path, bytes(response.body).decode()
