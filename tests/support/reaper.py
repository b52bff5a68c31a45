"""A controller that dies at a chosen effect, in one process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rollout.ports import Entry


class Killed(BaseException):
    """The process is gone; nothing may catch it."""


@dataclass
class Reaper:
    """Kills at the nth effect, before it or after it."""

    at: int
    after: bool
    count: int = 0
    effects: list[str] = field(default_factory=list)

    def through(self, name: str, act: Any) -> Any:
        self.count += 1
        self.effects.append(name)
        if self.count == self.at and not self.after:
            raise Killed
        result = act()
        if self.count == self.at:
            raise Killed
        return result


@dataclass
class Mortal:
    """A port whose effects pass by the reaper."""

    port: Any
    reaper: Reaper

    def append(self, facts: Any, after: int) -> list[Entry]:
        name = "record" if facts[-1].kind in {"observed", "decided"} else facts[-1].kind
        entries: list[Entry] = self.reaper.through(name, lambda: self.port.append(facts, after))
        return entries

    def write(self, *args: Any, **fields: Any) -> None:
        self.reaper.through("route", lambda: self.port.write(*args, **fields))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.port, name)
