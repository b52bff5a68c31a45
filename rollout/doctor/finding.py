"""The result of one check: its level, a message and a fix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail"]
Check = Literal["journal", "plan", "prometheus", "series", "reading", "mesh", "cluster", "rights"]


@dataclass(frozen=True)
class Finding:
    """The result of one check of one subject.

    `said` is the message. `fix` is empty when nothing is wrong. The field names are the keys of
    `surefoot doctor --json`.
    """

    check: Check
    subject: str
    level: Level
    said: str
    fix: str = ""

    def __str__(self) -> str:
        cure = f" -> {self.fix}" if self.fix else ""
        return f"{self.level:4}  {self.check:10}  {self.subject}: {self.said}{cure}"
