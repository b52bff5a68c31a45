"""How long a look waits for its servers: a slow or silent one holds up no other one's rollouts."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from rollout.errors import ObserveError
from rollout.observe.access.address import name_host
from rollout.plan.model.prometheus import PrometheusServer

HUNG = 4.0
"""Seconds of one look, from which on others wait for a server too long."""

_SERVERS = 16  # asked at once
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class SilentError(ObserveError):
    """The server does not answer at all, as opposed to refusing one query."""


@dataclass
class Patience:
    """What one look has waited for each server; threads use it, each for a server of its own.

    A server that was silent is not asked again in the look, nor is one that used up its time.
    """

    timer: Callable[[], float]
    _spent: dict[PrometheusServer, float] = field(default_factory=dict)  # seconds
    _silent: dict[PrometheusServer, SilentError] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._began = self.timer()

    @property
    def elapsed(self) -> float:
        """Seconds since the look began."""
        return self.timer() - self._began

    def note(self, hung: set[PrometheusServer]) -> None:
        """Note which of the servers that were asked took so long, and which do no more."""
        for server, spent in self._spent.items():
            (hung.add if spent >= HUNG else hung.discard)(server)

    def ask(self, server: PrometheusServer, most: float, query: Callable[[], _Result]) -> _Result:
        """Return what a query returns, unless the server has taken `most` seconds already.

        Raises SilentError, and what the query raises.
        """
        if server in self._silent:
            raise self._silent[server]
        spent = self._spent.get(server, 0.0)
        if spent >= most:
            message = f"Prometheus at {name_host(server.url)} is too slow for all queries of a look"
            raise SilentError(message, "give it more CPU, or fewer series to read")
        begun = self.timer()
        try:
            return query()
        except SilentError as error:
            self._silent[server] = error
            raise
        finally:
            self._spent[server] = spent + self.timer() - begun


def read_apart(
    items: Iterable[tuple[Hashable, _Item]], read: Callable[[_Item], _Result]
) -> Iterator[_Result]:
    """Yield what is read of each item; those of different servers are read at the same time."""
    by_server: dict[Hashable, list[_Item]] = {}
    for server, item in items:
        by_server.setdefault(server, []).append(item)
    if len(by_server) < 2:
        for group in by_server.values():
            yield from map(read, group)
        return
    with ThreadPoolExecutor(min(len(by_server), _SERVERS)) as pool:
        for results in pool.map(lambda group: [*map(read, group)], by_server.values()):
            yield from results
