"""What an examination found of one thing: whether it is fit, in words, and the cure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail"]
Check = Literal["journal", "plan", "prometheus", "series", "mesh", "cluster", "rights"]


@dataclass(frozen=True)
class Finding:
    """One check of one subject; `fix` is empty where nothing is wrong."""

    check: Check
    subject: str
    level: Level
    said: str
    fix: str = ""

    def __str__(self) -> str:
        cure = f" -> {self.fix}" if self.fix else ""
        return f"{self.level:4}  {self.check:10}  {self.subject}: {self.said}{cure}"
