"""What a target does not do as the document says it, with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rollout.mesh_document.model.names import Path


@dataclass(frozen=True)
class Remark:
    """A value that means something else on a target (`changed`), or nothing (`left out`)."""

    path: Path
    outcome: Literal["changed", "left out"]
    why: str


def changed(path: Path, why: str) -> Remark:
    return Remark(path, "changed", why)


def left_out(path: Path, why: str) -> Remark:
    return Remark(path, "left out", why)
