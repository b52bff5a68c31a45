"""Print what of a mesh document a target changes or leaves out, at its place in the file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rollout.mesh_document.notes import Remark
from rollout.mesh_document.reading.load import MeshSource


def format_remarks(source: MeshSource, remarks: Iterable[Remark]) -> Iterator[str]:
    """Yield `file:line:col changed | left out: why` for each remark, in the file's order."""
    for remark in sorted(remarks, key=lambda remark: source.position(remark.path)):
        line, column = source.position(remark.path)
        yield f"{source.document.file}:{line}:{column} {remark.outcome}: {remark.why}"
