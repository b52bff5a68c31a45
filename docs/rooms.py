"""Draw the rooms of the code and their imports, as they are now: `python docs/rooms.py`.

The picture in docs/architecture.md is this program's output; a test compares them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import grimp

sys.path.insert(0, str(Path(__file__).parents[1]))
DEMO = "demo"  # plugs everything together a second time, so its arrows would hide all others


def draw_rooms() -> str:
    """Return a Mermaid diagram: an arrow from each room to the rooms that it imports.

    An arrow is left out where a longer path says as much (the transitive reduction).
    """
    imports = _imports_by_room()
    lines = ["flowchart TD"]
    for room in sorted(imports):
        for target in sorted(imports[room]):
            others = imports[room] - {target}
            if not any(target in _reachable(imports, other) for other in others):
                lines.append(f"  {room} --> {target}")
    return "\n".join(lines)


def _imports_by_room() -> dict[str, set[str]]:
    graph = grimp.build_graph("rollout", "analysis")
    imports: dict[str, set[str]] = {}
    for importer in graph.modules:
        for imported in graph.find_modules_directly_imported_by(importer):
            room, target = _room(importer), _room(imported)
            if room and target and room != target:
                imports.setdefault(room, set()).add(target)
    return imports


def _room(module: str) -> str:
    """The room of a module: the first name below `rollout`, or `analysis` as a whole."""
    package, _, rest = module.partition(".")
    if package == "analysis":
        return package
    room = rest.partition(".")[0]
    return "" if room in {"", DEMO} else room


def _reachable(imports: dict[str, set[str]], start: str) -> set[str]:
    rooms, waiting = set(), [start]
    while waiting:
        for room in imports.get(waiting.pop(), set()) - rooms:
            rooms.add(room)
            waiting.append(room)
    return rooms


if __name__ == "__main__":
    print(draw_rooms())  # noqa: T201 - it is a program
